# SPDX-License-Identifier: GPL-3.0-or-later
"""A request with a lock: what was locked goes in, and every other input is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from images.conftest import sha256
from lockfile.conftest import DISK, Team

from callao.errors import DigestMismatch, DownloadError, LockError, TemplateError
from callao.events import silent
from callao.host import Host
from callao.images import ensure_image
from callao.instances import Desired, Instance, InstancePaths, Record, Status
from callao.lifecycle import Request
from callao.lifecycle.desired import desired
from callao.lockfile import LockFile, notices, read, write
from callao.offline import NetworkAccess

HOST = Host.detect()
SNAPSHOT = "https://snapshot.debian.org/archive/debian/20261121T000000Z"


def wanted(
    team: Team, lock: LockFile, template: str | None, actual: Instance | None = None, **more: Any
) -> Desired:
    request = Request(name="web", template=template, lock=lock.path, **more)
    found = desired(request, actual, team.home, HOST, lock=read(lock.path))
    assert found is not None
    return found


def existing(team: Team, made: Desired) -> Instance:
    """The same as an instance that is there."""
    return Instance(
        name="web",
        status=Status.STOPPED,
        config=made.config,
        document=made.document,
        record=Record(template=made.template),
        paths=InstancePaths(team.home / "web"),
    )


def test_only_the_locked_images_are_left_each_with_its_digest(team: Team, box: str) -> None:
    config = wanted(team, team.file(box), box).config
    assert [(image.arch, image.digest) for image in config.images] == [
        ("aarch64", sha256(DISK + b" today")),
        ("x86_64", sha256(DISK)),
    ]
    assert config.cpus == 2


def test_the_same_lock_means_the_same_instance_wherever_it_lies(
    team: Team, box: str, tmp_path: Path
) -> None:
    lock = team.file(box)
    first = wanted(team, lock, box)
    assert wanted(team, lock, "./box.yaml").document == first.document
    team.folder.rename(tmp_path / "elsewhere")
    moved = LockFile(tmp_path / "elsewhere" / "callao.lock", lock.lock)
    assert wanted(team, moved, str(tmp_path / "elsewhere" / "box.yaml")).document == first.document


def test_what_a_server_brings_anew_is_refused_by_its_digest(team: Team, box: str) -> None:
    config = wanted(team, team.file(box), box).config
    for kept in team.home.rglob("data"):
        kept.unlink()
    team.server.serve("/latest.qcow2", b"another", etag='"two"')
    with pytest.raises(DigestMismatch, match=sha256(DISK + b" today")):
        ensure_image(config.images, "aarch64", home=team.home, report=silent)


def test_a_template_that_is_not_locked_is_an_error(team: Team, box: str) -> None:
    lock = team.file(box)
    with pytest.raises(
        LockError, match=r"template 'debian-12' is not in .*callao\.lock \(locked: box\.yaml\)"
    ):
        wanted(team, lock, "debian-12")
    with pytest.raises(LockError, match=r"'default' is not in .*Run 'callao lock .* default'"):
        wanted(team, lock, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("own", r"\(changed: box\.yaml\)"),
        ("base", r"\(changed: http://127\.0\.0\.1:\d+/base\.yaml\)"),
        ("added", r"\(changed: box\.yaml; added: more\.yaml\)"),
        ("gone", r"\(changed: box\.yaml; gone: http://127\.0\.0\.1:\d+/base\.yaml\)"),
    ],
)
def test_what_changed_is_named(team: Team, box: str, change: str, told: str) -> None:
    lock = team.file(box)
    text = Path(box).read_text()
    match change:
        case "own":
            team.template(text.replace("cpus: 2", "cpus: 4"))
        case "base":
            team.server.serve("/base.yaml", b"memory: 1GiB\n")
        case "added":
            team.template("memory: 1GiB\n", "more.yaml")
            team.template(text.replace("base: ", "base: [more.yaml, ").replace("/base.yaml", "/base.yaml]"))
        case "gone":
            team.template("cpus: 2\n")
    with pytest.raises(LockError, match=told) as caught:
        wanted(team, lock, box)
    assert "--update box.yaml" in caught.value.hint


def test_a_comment_is_no_change(team: Team, box: str) -> None:
    lock = team.file(box)
    team.template("# For everybody.\n" + Path(box).read_text())
    assert wanted(team, lock, box)


def test_another_way_to_read_the_same_texts_is_a_change_too(team: Team, box: str) -> None:
    lock = team.file(box)
    locked = msgspec.structs.replace(lock.lock.templates["box.yaml"], digest="sha256:0")
    write(lock.path, msgspec.structs.replace(lock.lock, templates={"box.yaml": locked}))
    with pytest.raises(LockError, match="its texts are the same"):
        wanted(team, lock, box)


@pytest.mark.parametrize("key", ["images", "base"])
def test_nothing_goes_round_the_lock_inline(team: Team, box: str, key: str) -> None:
    lock = team.file(box)
    value: dict[str, Any] = {"images": [{"location": "/disk"}], "base": "debian-12"}
    made = wanted(team, lock, box)
    for template, actual in ((box, None), (None, existing(team, made))):
        with pytest.raises(LockError, match=rf"config: {key}: .*does not lock it"):
            wanted(team, lock, template, actual, config={key: value[key]})


def test_nothing_goes_round_the_lock_by_the_users_layers(team: Team, box: str) -> None:
    lock = team.file(box)
    layers = team.home / "_config"
    layers.mkdir(parents=True, exist_ok=True)
    (layers / "default.yaml").write_text("memory: 1GiB\n")
    assert wanted(team, lock, box).config.memory == 2**30
    (layers / "override.yaml").write_text("images: [{location: /mine.qcow2}]\n")
    with pytest.raises(LockError, match=r"images: '/mine\.qcow2', from LIMA_HOME's _config, is not in"):
        wanted(team, lock, box)


def test_a_whole_lima_yaml_is_no_locked_template(team: Team, box: str) -> None:
    lock = team.file(box)
    made = wanted(team, lock, box)
    with pytest.raises(LockError, match=r"this lima\.yaml is not one of them"):
        wanted(team, lock, box, document=made.document)
    assert wanted(team, lock, box, existing(team, made), document=made.document)


def test_an_instance_of_an_unchanged_template_stays_as_it_is(team: Team, box: str) -> None:
    lock = team.file(box)
    made = wanted(team, lock, box)
    assert wanted(team, lock, box, existing(team, made)).document == made.document


def test_config_is_merged_over_the_locked_template(team: Team, box: str) -> None:
    assert wanted(team, team.file(box), box, config={"cpus": 3}).config.cpus == 3


def test_packages_are_held_before_all_other_scripts(team: Team, box: str) -> None:
    team.template(Path(box).read_text() + "provision: [{mode: boot, script: 'true'}]\n")
    lock = team.file(box)
    locked = msgspec.structs.replace(lock.lock.templates["box.yaml"], packages=SNAPSHOT)
    write(lock.path, msgspec.structs.replace(lock.lock, templates={"box.yaml": locked}))
    (team.home / "_config").mkdir(parents=True, exist_ok=True)
    (team.home / "_config/default.yaml").write_text("provision: [{mode: boot, script: 'false'}]\n")
    scripts = wanted(team, lock, box).config.provision
    assert [script.mode for script in scripts] == ["boot", "boot", "boot"]
    assert SNAPSHOT in (scripts[0].script or "")
    assert [script.script for script in scripts[1:]] == ["true", "false"]


def test_another_engine_is_only_told(team: Team, box: str) -> None:
    lock = team.file(box)
    assert notices(lock) == ()
    older = LockFile(lock.path, msgspec.structs.replace(lock.lock, engine="0.0.1"))
    (told,) = notices(older)
    assert "was made by Callao 0.0.1" in told


def test_offline_has_what_was_locked_and_nothing_else(team: Team, box: str) -> None:
    lock = team.file(box)
    first = wanted(team, lock, box)
    team.server.requests.clear()
    assert wanted(team, lock, box, access=NetworkAccess.OFFLINE).document == first.document
    with pytest.raises(TemplateError, match="offline mode forbids"):
        wanted(team, lock, team.server.url("/other.yaml"), access=NetworkAccess.OFFLINE)
    # That of aarch64 was fetched, to know its digest.
    with pytest.raises(DownloadError, match=r"not in the cache.*callao fetch"):
        ensure_image(
            first.config.images, "x86_64", home=team.home, report=silent, access=NetworkAccess.OFFLINE
        )
    assert team.server.requests == []
