# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a lock needs: fetched, carried as one tar, and put into another cache; nothing else gets in."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from images.conftest import left_in, sha256
from lockfile.conftest import DISK, Team

from callao.errors import DigestMismatch, DownloadError, LockError
from callao.images import fetch
from callao.images.cache import cache_entry
from callao.lifecycle import Request
from callao.lockfile import Lock, LockFile, bundle, export, fetch_all, required_files, unpack
from callao.offline import NetworkAccess
from callao.templates import resolve

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def lock(team: Team, box: str) -> LockFile:
    file = team.file(box)
    fetch_all(file.lock, team.home)
    return file


@pytest.fixture
def tar(team: Team, lock: LockFile) -> Path:
    path = team.folder / "box.tar"
    export(lock, team.home, (), path)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A LIMA_HOME on a machine without a network."""
    return tmp_path / "elsewhere"


def test_what_is_needed_is_of_the_network_and_of_the_architecture(team: Team, lock: LockFile) -> None:
    names = [each.location.rpartition("/")[2] for each in required_files(lock.lock)]
    assert names == ["base.yaml", "disk.qcow2", "latest.qcow2"]
    of_one = [each.location.rpartition("/")[2] for each in required_files(lock.lock, ["x86_64"])]
    assert of_one == ["base.yaml", "disk.qcow2"]


def test_everything_fetched_beforehand_serves_offline(team: Team, box: str, lock: LockFile) -> None:
    team.server.requests.clear()
    files = fetch_all(lock.lock, team.home, access=NetworkAccess.OFFLINE)
    assert [file.digest for file in files if "disk" in file.location] == [sha256(DISK)]
    assert resolve(box, team.home, access=NetworkAccess.OFFLINE)
    assert team.server.requests == []


def test_what_changed_since_is_not_fetched(team: Team, lock: LockFile, elsewhere: Path) -> None:
    team.server.serve("/disk.qcow2", b"another")
    with pytest.raises(DigestMismatch, match=r"/disk\.qcow2: the digest is wrong"):
        fetch_all(lock.lock, elsewhere)


def test_a_tar_brings_all_of_it_elsewhere(team: Team, box: str, tar: Path, elsewhere: Path) -> None:
    carried = unpack(tar, elsewhere)
    team.server.resources.clear()
    assert fetch_all(carried, elsewhere, access=NetworkAccess.OFFLINE)
    assert resolve(box, elsewhere, access=NetworkAccess.OFFLINE) == resolve(
        box, team.home, access=NetworkAccess.OFFLINE
    )
    of_the_server = ("/data.validator", "/time")  # its digest vouches for what is locked
    expected = [name for name in left_in(team.home) if "_cache" in name and not name.endswith(of_the_server)]
    assert left_in(elsewhere) == expected


def test_a_tar_may_come_twice_and_repairs_what_is_wrong(tar: Path, elsewhere: Path, lock: LockFile) -> None:
    unpack(tar, elsewhere)
    first = left_in(elsewhere)
    wrong = next(elsewhere.rglob("data"))
    wrong.write_bytes(b"rot")
    unpack(tar, elsewhere)
    assert left_in(elsewhere) == first
    assert wrong.read_bytes() != b"rot"


def test_plain_tar_puts_it_where_it_belongs_too(tar: Path, elsewhere: Path, lock: LockFile) -> None:
    elsewhere.mkdir()
    subprocess.run(["tar", "-xf", str(tar), "-C", str(elsewhere)], check=True)
    assert fetch_all(lock.lock, elsewhere, access=NetworkAccess.OFFLINE)


def test_a_tar_is_the_same_each_time(team: Team, tar: Path, lock: LockFile) -> None:
    again = team.folder / "again.tar"
    export(lock, team.home, (), again)
    assert again.read_bytes() == tar.read_bytes()
    with tarfile.open(tar) as opened:
        names = opened.getnames()
    assert names[0] == "callao.lock"
    assert all(name.startswith("_cache/download/by-url-sha256/") for name in names[1:])


def test_nothing_is_exported_that_is_not_there(team: Team, lock: LockFile, elsewhere: Path) -> None:
    with pytest.raises(DownloadError, match="not in the cache"):
        export(lock, elsewhere, (), team.folder / "none.tar")
    with pytest.raises(LockError, match="cannot be written"):
        export(lock, team.home, (), team.folder / "gone" / "box.tar")
    assert [path.name for path in team.folder.iterdir() if "tar" in path.name] == []


def rewritten(tar: Path, change: Callable[[Members], object]) -> None:
    """The tar with its members changed."""
    with tarfile.open(tar) as opened:
        members = [(member, opened.extractfile(member).read()) for member in opened]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(tar, "w") as out:
        for member, data in members:
            member.size = len(data) if member.isreg() else 0
            out.addfile(member, io.BytesIO(data))


def _another_image(members: Members) -> None:
    for index, (member, data) in enumerate(members):
        if data == DISK:
            members[index] = (member, DISK[::-1])


def _outside(members: Members) -> None:
    members.append((tarfile.TarInfo("../../.ssh/authorized_keys"), b"ssh-ed25519"))


def _absolute(members: Members) -> None:
    members.append((tarfile.TarInfo("/etc/passwd"), b"root"))


def _unknown(members: Members) -> None:
    members.append((tarfile.TarInfo(f"_cache/download/by-url-sha256/{'0' * 64}/data"), b"x"))


def _beside(members: Members) -> None:
    members.append((tarfile.TarInfo(f"{members[1][0].name.rpartition('/')[0]}/data.part"), b"x"))


def _another_digest(members: Members) -> None:
    place = next(index for index, (member, _) in enumerate(members) if member.name.endswith(".digest"))
    members[place] = (members[place][0], b"sha256:" + b"0" * 64 + b"\n")


def _a_link(members: Members) -> None:
    place = next(index for index, (member, _) in enumerate(members) if member.name.endswith("/data"))
    link = tarfile.TarInfo(members[place][0].name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members[place] = (link, b"")


def _no_lock(members: Members) -> None:
    del members[0]


def _another_lock(members: Members) -> None:
    members[0] = (members[0][0], b"version: 9\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_another_image, "the digest is wrong"),
        (_outside, "authorized_keys' is not in the lock file"),
        (_absolute, "'/etc/passwd' is not in the lock file"),
        (_unknown, "is not in the lock file"),
        (_beside, "does not match"),
        (_another_digest, "does not match"),
        (_a_link, "is not in the lock file"),
        (_no_lock, r"does not begin with callao\.lock"),
        (_another_lock, "version: 9 is not known"),
    ],
)
def test_a_tar_that_somebody_changed_is_refused(
    tar: Path, elsewhere: Path, change: Callable[[Members], object], told: str
) -> None:
    rewritten(tar, change)
    with pytest.raises((LockError, DigestMismatch), match=told):
        unpack(tar, elsewhere)
    assert not [path for path in elsewhere.rglob("data") if path.read_bytes() == DISK[::-1]]
    assert not [path for path in elsewhere.rglob("*") if path.is_symlink() or "authorized" in path.name]


def test_a_lock_too_large_to_be_one_is_refused(
    tar: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_MAX_LOCK_BYTES", 10)
    with pytest.raises(LockError, match=r"does not begin with callao\.lock"):
        unpack(tar, elsewhere)


def test_a_tar_that_agrees_only_with_itself_is_refused_by_our_own_lock(
    team: Team, tar: Path, lock: LockFile, elsewhere: Path
) -> None:
    def change(members: Members) -> None:
        _another_image(members)
        for index, (member, data) in enumerate(members):
            if not member.name.endswith("/data"):
                swapped = data.replace(sha256(DISK).encode(), sha256(DISK[::-1]).encode())
                members[index] = (member, swapped)

    rewritten(tar, change)
    unpack(tar, elsewhere)
    with pytest.raises((LockError, DigestMismatch), match=r"disk\.qcow2"):
        unpack(tar, team.folder / "ours", lock.lock)
    with pytest.raises(DownloadError, match="not in the cache"):
        fetch_all(lock.lock, elsewhere, access=NetworkAccess.OFFLINE)


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b\x08\x00compressed"])
def test_what_is_no_tar_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(LockError, match=r"x\.tar (cannot be read|does not begin)"):
        unpack(path, tmp_path / "lima")
    with pytest.raises(LockError, match="cannot be read"):
        unpack(tmp_path / "gone.tar", tmp_path / "lima")


def test_a_tar_cut_short_is_told_and_leaves_no_half_file(tar: Path, elsewhere: Path) -> None:
    tar.write_bytes(tar.read_bytes()[:-11000])
    with pytest.raises((LockError, DigestMismatch)):
        unpack(tar, elsewhere)
    assert not [path for path in elsewhere.rglob(".data.*") if path.suffix != ".lock"]


def test_a_request_is_online_unless_it_says_otherwise() -> None:
    assert Request(name="web").access is NetworkAccess.ONLINE
    assert Request(name="web").lock is None


def test_a_fetched_template_text_lies_where_the_reader_looks(
    team: Team, lock: LockFile, elsewhere: Path
) -> None:
    fetch_all(lock.lock, elsewhere)
    url = team.server.url("/base.yaml")
    assert cache_entry(elsewhere, url).data.is_file()
    assert isinstance(lock.lock, Lock)
    assert fetch(
        url, digest=None, home=elsewhere, report=lambda _: None, access=NetworkAccess.OFFLINE
    ).from_cache
