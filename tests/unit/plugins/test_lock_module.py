# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules ``lock`` and ``prune``, and ``image`` by a lock file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from images.conftest import Server, serving, sha256
from support.modules import run_module

from callao.host import Host

CHECK = {"_ansible_check_mode": True}
DISK = b"a disk that nothing boots"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def box(server: Server, tmp_path: Path) -> Path:
    """A template whose image is on a server."""
    url = server.serve("/disk.qcow2", DISK)
    path = tmp_path / "box.yaml"
    arch = Host.detect().arch
    path.write_text(f"images: [{{location: '{url}', arch: {arch}, digest: '{sha256(DISK)}'}}]\ncpus: 2\n")
    return path


def test_a_template_is_locked_once_and_a_changed_one_is_an_error(box: Path, tmp_path: Path) -> None:
    path = tmp_path / "callao.lock"
    wanted: dict[str, Any] = {"path": str(path), "templates": [str(box)]}
    foretold = run_module("lock", wanted | CHECK, tmp_path / "lima")
    assert foretold["changed"]
    assert "# to be locked: box.yaml" in foretold["diff"]["after"]
    assert not path.exists()
    done = run_module("lock", wanted, tmp_path / "lima")
    assert done["changed"]
    assert done["diff"] == {
        "before": "", "after": path.read_text(), "before_header": str(path), "after_header": str(path),
    }  # fmt: skip
    assert list(done["templates"]) == ["box.yaml"]
    for more in ({}, CHECK):
        assert not run_module("lock", wanted | more, tmp_path / "lima")["changed"]

    box.write_text(box.read_text() + "memory: 1GiB\n")
    for refused in ({"path": str(path)} | CHECK, wanted):
        assert run_module("lock", refused, tmp_path / "lima")["error"] == "LockError"
    anew = {"path": str(path), "update": ["box.yaml"]}
    assert run_module("lock", anew | CHECK, tmp_path / "lima")["changed"]
    assert run_module("lock", anew, tmp_path / "lima")["changed"]
    assert not run_module("lock", wanted, tmp_path / "lima")["changed"]


def test_what_the_module_could_not_know_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "callao.lock")
    relative = run_module("lock", {"path": path, "templates": ["./box.yaml"]}, tmp_path)
    assert "'./box.yaml' is a relative path (allowed: a template's name" in relative["msg"]
    assert "nothing is named" in run_module("lock", {"path": path}, tmp_path)["msg"]


def test_all_that_a_lock_names_is_fetched_once(box: Path, server: Server, tmp_path: Path) -> None:
    path, home = str(tmp_path / "callao.lock"), tmp_path / "lima"
    run_module("lock", {"path": path, "templates": [str(box)]}, tmp_path / "another")
    assert run_module("image", {"lock": path} | CHECK, home)["changed"]
    assert not list(home.rglob("data"))
    done = run_module("image", {"lock": path}, home)
    assert [(each["digest"], each["from_cache"]) for each in done["files"]] == [(sha256(DISK), False)]
    for more in ({}, CHECK, {"offline": True}):
        assert not run_module("image", {"lock": path} | more, home)["changed"]
    assert "mutually exclusive" in run_module("image", {"lock": path, "template": "x"}, home)["msg"]

    foretold = run_module("prune", CHECK, home)
    assert foretold["changed"]
    assert list(home.rglob("data"))
    freed = run_module("prune", {}, home)
    assert [freed[key] for key in ("paths", "size", "diff")] == [
        foretold[key] for key in ("paths", "size", "diff")
    ]
    assert not list(home.rglob("data"))
    assert not run_module("prune", {}, home)["changed"]


@pytest.fixture
def short() -> Iterator[Path]:
    """A LIMA_HOME right under /tmp, for sockets have short names."""
    folder = Path(tempfile.mkdtemp(prefix="p-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def test_instances_of_folders_that_are_gone_are_deleted(short: Path, tmp_path: Path) -> None:
    for name, owner in (("gone", tmp_path / "gone"), ("kept", tmp_path)):
        (short / name).mkdir()
        (short / name / "lima.yaml").write_text("images: [{location: /x.qcow2}]\n")
        (short / name / "callao.json").write_text(f'{{"labels": {{"callao.owner": "{owner}"}}}}')
    for more in (CHECK, {}):
        result = run_module("prune", {"orphans": True} | more, short)
        assert (result["changed"], result["instances"]) == (True, ["gone"])
        assert (short / "gone").exists() is bool(more)
    assert (short / "kept").exists()
    assert not run_module("prune", {"orphans": True}, short)["changed"]
    both = run_module("prune", {"orphans": True, "keep_referred": True}, short)
    assert "says nothing of orphans" in both["msg"]
