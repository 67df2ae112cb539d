# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao prune --orphans`` takes instances whose folder is gone, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Line

from callao.instances import Record
from callao.instances.records import write_json
from callao.molecule.instances import planned_instances


def labelled(callao: Line, name: str, **labels: str) -> None:
    write_json(callao.write(name).callao_json, Record(labels=labels))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_an_instance_goes_with_its_folder(callao: Line, project: Path) -> None:
    labelled(callao, "ours", **{"callao.owner": str(project)})
    assert callao("prune", "--orphans").out == ""
    project.rmdir()
    done = callao("prune", "--orphans")
    assert (done.status, done.out) == (0, "ours\n")
    assert callao.names() == []


def test_one_of_molecule_goes_with_its_project(callao: Line, project: Path) -> None:
    (box,) = planned_instances([{"name": "web"}], str(project), "default", str(project))
    labelled(callao, "mol", **box["options"]["labels"])
    assert callao("prune", "--orphans").out == ""
    project.rmdir()
    assert callao("prune", "--orphans").out == "mol\n"


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"owner": "/nowhere/at/all"},
        {"callao.owner": "nowhere/at/all"},
        {"callao.owner": ""},
        {"callao.owner": "ann"},
        {"callao.owner": "/no\0where"},
        {"callao.owner": "/" + "x" * 300},
        {"callao.owner": "/nowhere", "molecule_project": "/tmp"},
        {"callao.owner": "/tmp", "molecule_project": "/nowhere"},
    ],
)
def test_nothing_else_goes(callao: Line, labels: dict[str, str]) -> None:
    labelled(callao, "web", **labels)
    done = callao("prune", "--orphans")
    assert (done.status, done.out, callao.names()) == (0, "", ["web"])


def test_what_may_not_be_looked_at_is_not_gone(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled(callao, "web", **{"callao.owner": "/forbidden/project"})

    def refuse(path: Any, **_how: Any) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    from callao.lifecycle import orphans

    class Forbidden(type(Path())):  # type: ignore[misc]
        lstat = refuse

    monkeypatch.setattr(orphans, "Path", Forbidden)
    assert callao("prune", "--orphans").out == ""
    assert callao.names() == ["web"]


def test_a_link_that_leads_nowhere_is_still_somebodys(callao: Line, project: Path) -> None:
    link = project / "link"
    link.symlink_to("/nowhere")
    labelled(callao, "web", **{"callao.owner": str(link)})
    assert callao("prune", "--orphans").out == ""


def test_a_protected_one_stays_and_the_others_go(callao: Line) -> None:
    for name in ("a", "b"):
        labelled(callao, name, **{"callao.owner": "/nowhere"})
    (callao.home / "a" / "protected").touch()
    done = callao("prune", "--orphans")
    assert (done.status, done.out) == (0, "b\n")
    assert "a: its folder is gone, and it is protected: it stays." in done.err


def test_the_cache_is_left_alone(callao: Line) -> None:
    place = callao.home / "_cache" / "download" / "by-url-sha256" / "x"
    place.mkdir(parents=True)
    assert callao("prune", "--orphans").status == 0
    assert place.exists()
    done = callao("prune", "--orphans", "--keep-referred")
    assert (done.status, "exclude each other" in done.err) == (1, True)
