# SPDX-License-Identifier: GPL-3.0-or-later
"""Locking: what is written down, what is kept, and what has to be asked for."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from images.conftest import sha256
from lockfile.conftest import DISK, Team

import callao
from callao.errors import DigestMismatch, LockError, TemplateError
from callao.lockfile import read, render, write
from callao.lockfile.packages import snapshot_of
from callao.lockfile.text import parse
from callao.offline import NetworkAccess


def test_a_lock_says_what_a_template_stands_for(team: Team, box: str) -> None:
    lock = team.lock(box)
    (key,) = lock.templates
    locked = lock.templates[key]
    assert lock.engine == callao.__version__
    assert key == "box.yaml"
    assert [source.location for source in locked.sources] == ["box.yaml", team.server.url("/base.yaml")]
    assert locked.digest.startswith("sha256:")
    assert locked.packages == ""
    known, latest = locked.images["x86_64"], locked.images["aarch64"]
    assert (known.digest, known.size) == (sha256(DISK), len(DISK))
    assert (latest.digest, latest.size) == (sha256(DISK + b" today"), len(DISK) + 6)


def test_an_image_with_a_digest_is_not_kept_to_know_its_size(team: Team, box: str) -> None:
    team.lock(box)
    kept = [path.read_bytes() for path in team.home.rglob("data")]
    assert DISK not in kept
    assert DISK + b" today" in kept


def test_a_file_reads_back_as_it_was_written_and_is_the_same_each_time(team: Team, box: str) -> None:
    file = team.file(box)
    text = file.path.read_text()
    assert text.startswith("# What every template stood for")
    assert text.endswith("\n")
    assert render(file.lock) == text
    assert file.lock == team.lock(box)
    assert str(team.folder) not in text
    assert [path.name for path in team.folder.iterdir() if "lock" in path.name] == ["callao.lock"]


def test_a_file_is_readable_by_the_team_and_never_half_written(team: Team, box: str) -> None:
    file = team.file(box)
    assert file.path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(LockError, match="cannot be written"):
        write(team.folder / "gone" / "callao.lock", file.lock)


def test_what_is_locked_stays_and_asks_no_server_for_images(team: Team, box: str) -> None:
    first = team.lock(box)
    team.server.requests.clear()
    again = team.lock(box, previous=first)
    assert again == first
    assert {path for path, _ in team.server.requests} == {"/base.yaml"}


def test_others_stay_when_one_is_added(team: Team, box: str) -> None:
    first = team.lock(box)
    other = team.template(f"images: [{{location: '{team.server.url('/disk.qcow2')}'}}]\n", "other.yaml")
    both = team.lock(other, previous=first)
    assert both.templates["box.yaml"] == first.templates["box.yaml"]
    assert list(both.templates["other.yaml"].images) == ["any"]


def test_a_changed_template_is_an_error_until_it_is_named(team: Team, box: str) -> None:
    first = team.lock(box)
    team.template(Path(box).read_text() + "memory: 1GiB\n")
    with pytest.raises(LockError, match=r"'box.yaml' is not .* \(changed: box.yaml\).*--update box.yaml"):
        team.lock(box, previous=first)
    renewed = team.lock(previous=first, update=["box.yaml"])
    assert renewed.templates["box.yaml"].digest != first.templates["box.yaml"].digest


def test_an_update_takes_what_the_server_has_now(team: Team, box: str) -> None:
    first = team.lock(box)
    team.server.serve("/latest.qcow2", DISK + b" tomorrow")
    assert team.lock(box, previous=first) == first
    renewed = team.lock(box, previous=first, update=[box])
    assert renewed.templates["box.yaml"].images["aarch64"].digest == sha256(DISK + b" tomorrow")
    assert renewed.templates["box.yaml"].images["x86_64"] == first.templates["box.yaml"].images["x86_64"]


def test_an_update_of_what_is_not_locked_is_an_error(team: Team, box: str) -> None:
    with pytest.raises(LockError, match=r"'debian-13' is not locked \(locked: box.yaml\)"):
        team.lock(box, previous=team.lock(box), update=["debian-13"])


def test_the_first_image_that_can_be_had_is_locked(team: Team, box: str) -> None:
    gone, there = team.server.url("/gone.qcow2"), team.server.url("/disk.qcow2")
    box = team.template(
        f"images:\n- {{location: '{gone}', digest: '{sha256(b'x')}'}}\n- {{location: '{there}'}}\n"
    )
    assert team.lock(box).templates["box.yaml"].images["any"].location == there
    team.server.resources.pop("/disk.qcow2")
    with pytest.raises(LockError, match=r"no image for any is available.*404.*404"):
        team.lock(box)


def test_kernel_and_initrd_are_locked_too(team: Team) -> None:
    team.folder.joinpath("disk").write_bytes(DISK)
    kernel = team.server.serve("/vmlinuz", b"kernel")
    box = team.template(
        f"images: [{{location: '{team.folder}/disk', kernel: {{location: '{kernel}', cmdline: quiet}}, "
        f"initrd: {{location: '{kernel}', digest: '{sha256(b'kernel')}'}}}}]\n"
    )
    image = team.lock(box).templates["box.yaml"].images["any"]
    assert image.digest == sha256(DISK)
    assert image.kernel is not None
    assert image.initrd is not None
    assert (image.kernel.digest, image.kernel.cmdline) == (sha256(b"kernel"), "quiet")
    assert image.initrd.size == 6


def test_a_local_image_that_is_not_what_its_template_says_is_no_reason_for_the_next(team: Team) -> None:
    team.folder.joinpath("disk").write_bytes(DISK)
    box = team.template(f"images: [{{location: '{team.folder}/disk', digest: '{sha256(b'x')}'}}]\n")
    with pytest.raises(DigestMismatch):
        team.lock(box)


def test_a_link_on_the_server_is_locked_with_what_it_leads_to(team: Team, box: str) -> None:
    linked = team.server.serve("/link.yaml", b"base.yaml")
    (locked,) = team.lock(linked).templates.values()
    assert [source.location.rpartition("/")[2] for source in locked.sources] == ["link.yaml", "base.yaml"]


def test_locking_offline_takes_what_the_cache_has(team: Team, box: str) -> None:
    with pytest.raises(TemplateError, match="offline mode forbids"):
        team.lock(box, access=NetworkAccess.OFFLINE)
    disk = team.server.url("/latest.qcow2")
    there = team.template(f"images: [{{location: '{disk}'}}]\n", "there.yaml")
    first = team.lock(there)
    team.server.resources.clear()
    assert team.lock(there, access=NetworkAccess.OFFLINE) == first


def test_built_in_templates_have_one_name_on_all_machines(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callao.lockfile.names import key_of, place_of, reference_of
    from callao.templates import builtin_dir

    names = {
        key_of(each, team.folder) for each in ("debian-12", "template:debian-12", "template://debian-12")
    }
    assert names == {"debian-12"}
    assert place_of(str(builtin_dir() / "debian-12.yaml"), team.folder) == "template:debian-12"
    assert key_of("github:o/r/x.yaml", team.folder) == "github:o/r/x.yaml"
    (team.folder / "sub").mkdir()
    monkeypatch.chdir(team.folder / "sub")
    assert key_of("../box.yaml", team.folder) == "box.yaml"
    assert reference_of("box.yaml", team.folder) == os.fspath(team.folder / "box.yaml")
    assert key_of("/elsewhere/box.yaml", team.folder) == "/elsewhere/box.yaml"


@pytest.mark.parametrize(
    ("location", "snapshot"),
    [
        (
            "https://cloud.debian.org/images/x.qcow2",
            "https://snapshot.debian.org/archive/debian/20260131T235901Z",
        ),
        ("https://cloud-images.ubuntu.com/x.img", "https://snapshot.ubuntu.com/ubuntu/20260131T235901Z"),
        ("https://dl-cdn.alpinelinux.org/x.qcow2", ""),
        ("/srv/disk.qcow2", ""),
    ],
)
def test_packages_are_those_of_the_day_where_the_distribution_keeps_them(
    location: str, snapshot: str
) -> None:
    assert snapshot_of([location], datetime(2026, 1, 31, 23, 59, 1, tzinfo=UTC)) == snapshot


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "is not YAML"),
        ("- a", "a mapping"),
        ("engine: x", r"version: None is not known \(allowed: 1\)"),
        ("version: 2", r"version: 2 is not known \(allowed: 1\)"),
        ("version: 1\ntemplate: {}", "unknown field `template`"),
        ("version: 1\ntemplates: {a: {}}", r"templates.*missing required field `digest`"),
        (
            "version: 1\ntemplates: {a: {digest: d, images: {x86_64: 3}}}",
            r"images.*expected `object`, got `int`",
        ),
        ("version: 1\nversion: 1", "is set a second time"),
    ],
)
def test_a_file_that_is_no_lock_is_told_by_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "callao.lock"
    path.write_text(text)
    with pytest.raises(LockError, match=rf"callao\.lock.*{told}"):
        read(path)
    with pytest.raises(LockError, match=told):
        parse(text, "x")


def test_a_lock_that_is_not_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        LockError, match=r"there is no file .*callao\.lock.*'callao lock --file callao\.lock"
    ):
        read(tmp_path / "callao.lock")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(LockError, match="is not text"):
        read(tmp_path / "binary")
