# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing leads out of the root: not a path, not a link, not a swap."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paramiko import SFTPClient
from served import CANARY, REFUSED, World, client, outside

from callao.sftp.tree import Tree

ACTS: dict[str, Callable[[SFTPClient, str, World], object]] = {
    "read": lambda sftp, path, here: sftp.open(path).read(),
    "write": lambda sftp, path, here: sftp.open(path, "w").write("overwritten"),
    "create": lambda sftp, path, here: sftp.open(path + "-new", "w"),
    "truncate": lambda sftp, path, here: sftp.truncate(path, 0),
    "chmod": lambda sftp, path, here: sftp.chmod(path, 0o777),
    "mkdir": lambda sftp, path, here: sftp.mkdir(path + "-new"),
    "move in": lambda sftp, path, here: sftp.posix_rename(path, here.at("moved")),
    "move out": lambda sftp, path, here: sftp.posix_rename(here.at("file"), path + "-new"),
    "list": lambda sftp, path, here: sftp.listdir(str(Path(path).parent)),
    "stat": lambda sftp, path, here: sftp.stat(path),
    "symlink": lambda sftp, path, here: sftp.symlink("x", path + "-new"),
    "hard link out": lambda sftp, path, here: _hardlink(sftp, here.at("file"), path + "-new"),
    "hard link in": lambda sftp, path, here: _hardlink(sftp, path, here.at("linked")),
    "remove": lambda sftp, path, here: sftp.remove(path),
    "rmdir": lambda sftp, path, here: sftp.rmdir(str(Path(path).with_name("deep"))),
}

PATHS = (
    "{share}/../secret/file",
    "{share}/sub/../../secret/file",
    "{share}/sub/./..//../secret/file",
    "{secret}/file",
    "//{secret}/file",
    "{share}-too/file",
    "../secret/file",
    "secret/file",
    "{share}/up/secret/file",  # up -> ..
    "{share}/out/file",  # out -> the secret, absolute
    "{share}/chain/file",  # chain -> sub/hop -> ../out
    "{share}/sub/far/file",  # far -> ../../secret
    "{share}/proc/self/root{secret}/file",  # proc -> /proc
    "{share}/slash{secret}/file",  # slash -> /proc/self/root
    "{share}/sneaky/file",  # sneaky -> {share}/../secret
)


def _hardlink(sftp: SFTPClient, old: str, new: str) -> None:
    sftp._request(200, "hardlink@openssh.com", sftp._adjust_cwd(old), sftp._adjust_cwd(new))


@pytest.fixture(params=["no link is followed", "links are followed"])
def guest(request: pytest.FixtureRequest, here: World) -> Iterator[SFTPClient]:
    links = {
        "up": "..",
        "out": str(here.secret),
        "sub/hop": "../out",
        "chain": "sub/hop",
        "sub/far": "../../secret",
        "proc": "/proc",
        "slash": "/proc/self/root",
        "sneaky": f"{here.share}/../secret",
        "outfile": f"{here.secret}/file",
        "dangling": f"{here.secret}/not-yet",
        "dangling-up": "../secret/not-yet",
    }
    for name, target in links.items():
        (here.share / name).symlink_to(target)
    flags = ["--follow-symlinks"] if request.param == "links are followed" else []
    with client(here, "--writable", *flags) as found:
        yield found


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(here: World, guest: SFTPClient, path: str) -> None:
    before = outside(here)
    path = path.format(share=here.share, secret=here.secret)
    for name, act in ACTS.items():
        with pytest.raises(REFUSED):
            pytest.fail(f"{name}: {act(guest, path, here)!r}")
        assert outside(here) == before, name
    assert (here.share / "file").read_text() == "ours"


@pytest.mark.parametrize("name", ["outfile", "dangling", "dangling-up"])
def test_a_link_to_a_file_outside_is_not_gone_through(here: World, guest: SFTPClient, name: str) -> None:
    before = outside(here)
    path = here.at(name)
    for act in ("read", "write", "truncate", "chmod"):
        with pytest.raises(OSError if act == "chmod" else REFUSED):  # a link has no permissions
            pytest.fail(f"{act}: {ACTS[act](guest, path, here)!r}")
        assert outside(here) == before, act
    assert guest.readlink(path)
    _hardlink(guest, path, here.at("hard"))  # of the link itself
    assert (here.share / "hard").is_symlink()
    guest.remove(path)
    assert outside(here) == before


def test_a_link_to_outside_is_not_described(here: World) -> None:
    (here.share / "out").symlink_to(here.secret / "file")
    with client(here, "--follow-symlinks") as sftp, pytest.raises(PermissionError):
        sftp.stat(here.at("out"))


def test_links_in_a_circle_are_given_up(here: World) -> None:
    (here.share / "a").symlink_to("b")
    (here.share / "b").symlink_to("a")
    with client(here, "--follow-symlinks") as sftp, pytest.raises(FileNotFoundError):
        sftp.stat(here.at("a"))


def test_a_directory_swapped_for_a_link_between_requests_is_refused(here: World, guest: SFTPClient) -> None:
    assert guest.listdir(here.at("sub", "deep")) == []
    guest.posix_rename(here.at("sub", "deep"), here.at("sub", "was"))
    guest.symlink(str(here.secret / "deep"), here.at("sub", "deep"))
    with pytest.raises(REFUSED):
        guest.open(here.at("sub", "deep", "file"))
    with pytest.raises(REFUSED):
        guest.listdir(here.at("sub", "deep"))


def test_a_root_that_is_replaced_is_not_served(here: World, guest: SFTPClient) -> None:
    here.share.rename(here.share.with_name("moved"))
    here.share.symlink_to(here.secret)
    assert guest.open(here.at("file")).read() == b"ours"


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_what_is_swapped_for_a_link_during_requests_is_refused(
    here: World, guest: SFTPClient, kind: str
) -> None:
    """The host swaps as fast as it can; no answer may come from outside."""
    place, real, link = here.share / "race", here.share / "real", here.share / "link"
    next_one = here.share / "next"
    link.symlink_to(here.secret if kind == "directory" else here.secret / "file")
    if kind == "directory":
        real.mkdir()
        (real / "file").write_text("ours")
    else:
        real.write_text("ours")
    path = str(place / "file" if kind == "directory" else place)
    done = threading.Event()

    def swap() -> None:
        for one in itertools.cycle((real, link)):
            if done.is_set():
                return
            if kind == "directory":
                one.rename(place)
                place.rename(one)
            else:  # a file can be replaced at once, so that there is always one or the other
                os.link(one, next_one, follow_symlinks=False)
                next_one.rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = {_read(guest, path) for _ in range(500)}
    finally:
        done.set()
        swapper.join()
    assert not any(CANARY.encode() in one for one in seen)


def test_a_link_that_came_after_the_look_is_not_opened(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses it, even when what was seen before was a file."""
    (here.share / "link").symlink_to(here.secret / "file")
    monkeypatch.setattr("callao.sftp.tree._regular", lambda found: None)
    with Tree(here.at()).place(here.at("link")) as place, pytest.raises(OSError, match="symbolic links"):
        place.open_regular(os.O_RDONLY)


def test_dots_are_refused_even_when_they_stay_within(here: World, guest: SFTPClient) -> None:
    with pytest.raises(PermissionError):
        guest.stat(here.at("sub") + "/../file")


def _read(sftp: SFTPClient, path: str) -> bytes:
    try:
        with sftp.open(path) as file:
            return bytes(file.read(100))
    except OSError:
        return b""
