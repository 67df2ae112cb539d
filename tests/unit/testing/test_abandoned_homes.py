# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes of runs of tests that were killed, removed by the next runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.instances.process_identity import ProcessIdentity
from callao.instances.records import write_json
from callao.testing.home import claim, link_cache, remove_abandoned_homes, short_folder

GONE = ProcessIdentity(pid=1, started=1, boot="an earlier one")
SWEEP = (
    "import sys; from pathlib import Path; from callao.testing import home; "
    "home.remove_abandoned_homes(Path(sys.argv[1]))"
)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a short name."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)


def home(temporary: Path, name: str, *, boxes: int = 0) -> Path:
    """One whose run is gone, with stopped boxes of many files, and the cache that runs share."""
    path = temporary / name
    for number in range(boxes):
        box = path / f"box{number}"
        box.mkdir(parents=True)
        (box / "lima.yaml").write_text("images: [{location: /srv/disk.img}]\n")
        for file in range(200):
            (box / f"file{file}").touch()
    path.mkdir(exist_ok=True)
    write_json(path / "owner.json", GONE)
    link_cache(path, temporary / "cache")
    return path


def test_homes_of_runs_that_are_gone_are_removed_and_no_others(temporary: Path) -> None:
    mine, foreign, gone = (temporary / f"callao-{each}" for each in ("mine", "foreign", "gone"))
    home(temporary, "callao-gone", boxes=1)
    for each in (mine, foreign):
        each.mkdir()
    claim(mine)
    key = temporary / "cache" / "_config" / "user"
    key.write_text("the key")
    remove_abandoned_homes(temporary)
    assert (mine.exists(), foreign.exists(), gone.exists()) == (True, True, False)
    assert key.read_text() == "the key"


def test_runs_that_begin_at_once_do_not_meet_in_one_home(temporary: Path) -> None:
    for number in range(3):
        home(temporary, f"callao-{number}", boxes=3)
    argv = [sys.executable, "-c", SWEEP, str(temporary)]
    runs = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [run.communicate()[1] for run in runs]
    assert said == [""] * 4
    assert [run.returncode for run in runs] == [0] * 4
    assert [each.name for each in temporary.iterdir()] == ["cache"]


def test_a_removal_that_was_killed_is_finished_by_the_next_run(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home(temporary, "callao-gone")
    (path / "template.yaml").touch()

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("callao.testing.home.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_abandoned_homes(temporary)
    remove_abandoned_homes(temporary)
    assert not path.exists()


@pytest.mark.parametrize(
    ("folder", "chosen"),
    [("/tmp/x", "/tmp/x"), ("/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T", "/tmp")],
)
def test_a_home_lies_where_sockets_have_room_for_their_names(folder: str, chosen: str) -> None:
    assert short_folder(Path(folder)) == Path(chosen)
