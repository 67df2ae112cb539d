# SPDX-License-Identifier: GPL-3.0-or-later
"""What a well-behaved client may do."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from paramiko import SFTPClient
from served import REFUSED, World, client


def test_a_client_that_asks_where_it_is_is_in_the_root(here: World, sftp: SFTPClient) -> None:
    assert sftp.normalize(".") == str(here.share)


def test_a_directory_is_listed_with_its_entries_attributes(here: World, sftp: SFTPClient) -> None:
    found = {entry.filename: entry for entry in sftp.listdir_attr(here.at())}
    assert set(found) == {"file", "sub"}
    assert found["file"].st_size == 4
    assert stat.S_ISDIR(found["sub"].st_mode)
    assert found["file"].longname.startswith("-rw")


def test_the_root_may_be_asked_for_with_a_slash_at_its_end(here: World, sftp: SFTPClient) -> None:
    assert sorted(sftp.listdir(here.at() + "/")) == ["file", "sub"]


def test_large_files_go_both_ways_unharmed(here: World, sftp: SFTPClient, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 20
    (tmp_path / "from").write_bytes(data)
    sftp.put(str(tmp_path / "from"), here.at("big"))
    # Prefetching, paramiko may send from two threads and read in none: it wants a Channel's buffers.
    sftp.get(here.at("big"), str(tmp_path / "to"), prefetch=False)
    found = [hashlib.file_digest(path.open("rb"), "sha256").digest() for path in tmp_path.glob("[ft]*o*")]
    assert found == [hashlib.sha256(data).digest()] * 2


def test_a_file_is_appended_to_at_its_end(here: World, sftp: SFTPClient) -> None:
    with sftp.open(here.at("file"), "a") as file:
        file.write("!")
    assert (here.share / "file").read_text() == "ours!"


def test_an_exclusive_open_refuses_what_is_there(here: World, sftp: SFTPClient) -> None:
    with pytest.raises(OSError, match="File exists"):
        sftp.open(here.at("file"), "wx")


def test_directories_are_made_and_removed(here: World, sftp: SFTPClient) -> None:
    sftp.mkdir(here.at("new"), 0o750)
    assert stat.S_IMODE((here.share / "new").stat().st_mode) == 0o750
    sftp.rmdir(here.at("new"))
    assert not (here.share / "new").exists()


def test_a_directory_that_is_not_empty_stays(here: World, sftp: SFTPClient) -> None:
    with pytest.raises(OSError, match="not empty"):
        sftp.rmdir(here.at("sub"))


def test_a_rename_replaces_nothing(here: World, sftp: SFTPClient) -> None:
    sftp.rename(here.at("file"), here.at("moved"))
    with pytest.raises(OSError, match="File exists"):
        sftp.rename(here.at("moved"), here.at("sub", "file"))
    (here.share / "empty").mkdir()
    with pytest.raises(OSError, match="File exists"):
        sftp.rename(here.at("sub"), here.at("empty"))
    sftp.rename(here.at("sub"), here.at("renamed"))
    assert (here.share / "renamed" / "file").read_text() == "ours too"
    assert (here.share / "moved").read_text() == "ours"


def test_a_posix_rename_replaces(here: World, sftp: SFTPClient) -> None:
    sftp.posix_rename(here.at("file"), here.at("sub", "file"))
    assert (here.share / "sub" / "file").read_text() == "ours"


def test_files_are_removed(here: World, sftp: SFTPClient) -> None:
    sftp.remove(here.at("file"))
    assert not (here.share / "file").exists()
    with pytest.raises(FileNotFoundError):
        sftp.remove(here.at("file"))


def test_symlinks_are_made_and_read_as_text(here: World, sftp: SFTPClient) -> None:
    sftp.symlink("../anything", here.at("link"))
    assert sftp.readlink(here.at("link")) == "../anything"
    assert stat.S_ISLNK(sftp.lstat(here.at("link")).st_mode)
    sftp.remove(here.at("link"))


def test_permissions_change_even_of_a_file_that_may_not_be_read(here: World, sftp: SFTPClient) -> None:
    for mode in (0o000, 0o640):
        sftp.chmod(here.at("file"), mode)
        assert stat.S_IMODE((here.share / "file").stat().st_mode) == mode


def test_times_change(here: World, sftp: SFTPClient) -> None:
    sftp.utime(here.at("file"), (1_000_000_000, 1_100_000_000))
    found = (here.share / "file").stat()
    assert (found.st_atime, found.st_mtime) == (1_000_000_000, 1_100_000_000)


def test_times_that_do_not_fit_are_sent_as_the_nearest(here: World, sftp: SFTPClient) -> None:
    os.utime(here.share / "file", (-5, -5))
    assert sftp.stat(here.at("file")).st_mtime == 0


def test_a_link_s_own_time_changes_not_that_of_its_target(here: World, sftp: SFTPClient) -> None:
    (here.share / "link").symlink_to("file")
    sftp.utime(here.at("link"), (1, 1))
    assert (here.share / "link").lstat().st_mtime == 1
    assert (here.share / "file").stat().st_mtime > 1


def test_owners_that_stay_the_same_may_be_set(here: World, sftp: SFTPClient) -> None:
    sftp.chown(here.at("file"), os.getuid(), os.getgid())


def test_files_are_truncated_by_name_and_by_handle(here: World, sftp: SFTPClient) -> None:
    sftp.truncate(here.at("file"), 2)
    assert (here.share / "file").read_text() == "ou"
    with sftp.open(here.at("file"), "r+") as file:
        file.truncate(1)
        file.chmod(0o600)
        file.utime((7, 7))
        assert file.stat().st_size == 1
    assert (here.share / "file").stat().st_mtime == 7


@pytest.mark.parametrize(
    "name", ["señor 漢字 🦙", "two\nlines", " ", "-rf", "a\\b", "x" * 255, b"not \xff utf-8"]
)
def test_any_name_makes_the_round_trip(here: World, sftp: SFTPClient, name: str | bytes) -> None:
    raw = name if isinstance(name, bytes) else name.encode()
    path = os.fsencode(here.at()) + b"/" + raw
    with sftp.open(path, "w") as file:
        file.write("x")
    assert os.path.lexists(path)
    assert sftp.stat(path).st_size == 1
    if name == raw:
        return  # paramiko's client cannot list what is not UTF-8; sshfs can
    assert name in sftp.listdir(here.at())


def test_two_thousand_entries_are_listed(here: World, sftp: SFTPClient) -> None:
    (here.share / "many").mkdir()
    names = {f"entry-{number}" for number in range(2000)}
    for name in names:
        (here.share / "many" / name).touch()
    assert set(sftp.listdir(here.at("many"))) == names


def test_links_within_the_root_are_followed_when_asked_to(here: World) -> None:
    (here.share / "relative").symlink_to("sub/deep/../file")
    (here.share / "absolute").symlink_to(here.share / "sub")
    (here.share / "chain").symlink_to("absolute/../relative")
    (here.share / "self").symlink_to(".")
    with client(here, "--follow-symlinks", "--writable") as sftp:
        assert sftp.stat(here.at("relative")).st_size == 8
        assert stat.S_ISLNK(sftp.lstat(here.at("relative")).st_mode)
        assert sftp.open(here.at("chain")).read() == b"ours too"
        assert sftp.stat(here.at("absolute", "file")).st_size == 8
        assert "file" in sftp.listdir(here.at("self", "self", "absolute"))
        sftp.open(here.at("absolute", "new"), "w").close()
    assert (here.share / "sub" / "new").exists()


def test_links_are_not_followed_unless_asked_to(here: World, sftp: SFTPClient) -> None:
    (here.share / "link").symlink_to("sub")
    (here.share / "name").symlink_to("file")
    assert stat.S_ISLNK(sftp.stat(here.at("link")).st_mode)
    for path in (here.at("link", "file"), here.at("name")):
        with pytest.raises(REFUSED):
            sftp.open(path)


@pytest.mark.skipif(shutil.which("sftp") is None, reason="needs OpenSSH's sftp")
def test_openssh_s_client_is_served(here: World, tmp_path: Path) -> None:
    server = f"{sys.executable} -P -m callao.sftp --root {here.share} --writable"
    batch = f"put {tmp_path}/secret/file {here.share}/new\nls -l\nrename new newer\nln newer hard\ndf\n"
    argv = ["sftp", "-b", "-", "-D", server]
    done = subprocess.run(argv, input=batch, text=True, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert (here.share / "newer").stat().st_nlink == 2
