# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the guest: sound shell, whatever the paths are called, and its words in our errors."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callao.config.schema import SSHFS, Mount
from callao.config.shares import GuestMount
from callao.errors import AgentError
from callao.mounts import mount_in_guest, unmount_in_guest
from callao.mounts.sshfs import guest_script
from callao.ssh.client import CommandResult

NASTY = [
    "/srv/src", "/a b", "/it's", '/say "x"', "/$HOME/`id`/$(id)", "/a;b&c|d", "/{point}", "/{0}", "/100%s",
    "/-o x", "/new\nline", "/a\\b", "/[a]*?", "/é", "/a)b",
]  # fmt: skip


WELL = CommandResult(0, "", "")


class Guest:
    """Stands for ssh: keeps the script, and gives the answer that it was made with."""

    def __init__(self, answer: CommandResult | None = WELL) -> None:
        self.answer = answer
        self.script = self.interpreter = ""

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        self.script, self.interpreter = script, interpreter
        if self.answer is None:
            raise TimeoutError
        return self.answer


def mounting(point: str, answer: CommandResult | None = WELL) -> Guest:
    guest: Any = Guest(answer)
    asyncio.run(mount_in_guest(GuestMount("9p", "lima-00", point, "ro,trans=virtio"), guest))
    done: Guest = guest
    return done


def unmounting(point: str, answer: CommandResult | None = WELL) -> Guest:
    guest: Any = Guest(answer)
    asyncio.run(unmount_in_guest(point, guest))
    done: Guest = guest
    return done


@pytest.mark.parametrize("point", NASTY)
@pytest.mark.parametrize("make", [mounting, unmounting])
def test_the_scripts_are_sound_shell_for_any_path(make: Any, point: str) -> None:
    script = make(point).script
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "--severity=warning", "-"],
        input=script, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def fakes(folder: Path, **programs: str) -> dict[str, str]:
    """Programs in place of those that need a guest; each keeps its words, with a NUL after each."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name, rest in programs.items():
        path = bin_ / name
        keep = f"printf '%s\\0' {name} \"$@\" >>{shlex.quote(str(folder / 'said'))}"
        path.write_text(f"#!/bin/sh\n{keep}\n{rest}\n")
        path.chmod(0o755)
    return {"PATH": f"{bin_}:/usr/bin:/bin"}


def said(folder: Path) -> list[str]:
    return (folder / "said").read_text().split("\0")[:-1]


@pytest.mark.parametrize("point", NASTY)
def test_the_guest_mounts_at_the_very_path(tmp_path: Path, point: str) -> None:
    environment = fakes(tmp_path, mkdir="", mount="")
    subprocess.run(["sh"], input=mounting(point).script, text=True, check=True, env=environment)
    mount = ["mount", "-t", "9p", "-o", "ro,trans=virtio", "lima-00", point]
    assert said(tmp_path) == ["mkdir", "-p", "--", point, *mount]


@pytest.mark.parametrize("point", NASTY)
def test_the_guest_unmounts_the_very_path(tmp_path: Path, point: str) -> None:
    environment = fakes(tmp_path, mountpoint="", umount="")
    subprocess.run(["sh"], input=unmounting(point).script, text=True, check=True, env=environment)
    assert said(tmp_path) == ["mountpoint", "-q", "--", point, "umount", "--", point]


@pytest.mark.parametrize("place", NASTY)
def test_sshfs_mounts_at_the_very_path(tmp_path: Path, place: str) -> None:
    environment = fakes(tmp_path, sudo="", sshfs="")
    script = guest_script(Mount(location=place, mount_point=place, writable=True))
    subprocess.run(["sh", "-c", script], check=True, env=environment)
    words = ["sudo", "-n", "sshfs", f":{place}", place, "-o", "passive,allow_other,cache=yes"]
    mkdir = ["sudo", "-n", "mkdir", "-p", "--", place]
    assert said(tmp_path) == ["sudo", "-n", "umount", "-l", place, "sshfs", "--help", *mkdir, *words]


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, "passive,allow_other,cache=yes,ro"),
        ({"writable": True}, "passive,allow_other,cache=yes"),
        ({"writable": True, "sshfs": SSHFS(cache=False)}, "passive,allow_other,cache=no"),
        ({"sshfs": SSHFS(follow_symlinks=True)}, "passive,allow_other,cache=yes,follow_symlinks,ro"),
    ],
)
def test_sshfs_has_the_options_of_its_mount(fields: dict[str, Any], options: str) -> None:
    assert f' -o {options}"$links"' in guest_script(Mount(location="/data", mount_point="/srv", **fields))


@pytest.mark.parametrize(
    ("help_", "added"),
    [("    -o no_contain_symlinks allow all", ",no_contain_symlinks"), ("-o transform_symlinks", "")],
)
def test_an_sshfs_that_refuses_links_by_itself_is_told_not_to(
    tmp_path: Path, help_: str, added: str
) -> None:
    """It says so on its standard error, and must not read of the stream."""
    environment = fakes(tmp_path, sudo="", sshfs=f"cat; echo {shlex.quote(help_)} >&2; exit 1")
    script = guest_script(Mount(location="/data", mount_point="/srv", writable=True))
    subprocess.run(
        ["sh", "-c", script], check=True, env=environment, input=b"stream", stdout=subprocess.PIPE
    )
    assert said(tmp_path)[-1] == f"passive,allow_other,cache=yes{added}"


def test_a_missing_file_system_is_not_waited_for(tmp_path: Path) -> None:
    environment = fakes(tmp_path, mkdir="", mount="echo \"unknown filesystem type '9p'\" >&2; exit 32")
    done = subprocess.run(
        ["sh"], input=mounting("/srv").script, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (1, "unknown filesystem type '9p'\n")
    assert said(tmp_path).count("mount") == 1


def test_a_device_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    late = f"[ -e {tmp_path}/tried ] || {{ : >{tmp_path}/tried; exit 32; }}"
    environment = fakes(tmp_path, mkdir="", mount=late)
    subprocess.run(["sh"], input=mounting("/srv").script, text=True, check=True, env=environment)
    assert said(tmp_path).count("mount") == 2


def test_what_is_not_mounted_is_not_unmounted(tmp_path: Path) -> None:
    environment = fakes(tmp_path, mountpoint="exit 32", umount="")
    subprocess.run(["sh"], input=unmounting("/srv").script, text=True, check=True, env=environment)
    assert "umount" not in said(tmp_path)


def test_all_is_done_as_root() -> None:
    assert mounting("/srv").interpreter == unmounting("/srv").interpreter == "sudo -n /bin/sh"


@pytest.mark.parametrize(
    ("make", "answer", "words", "hint"),
    [
        (mounting, CommandResult(1, "", "bad tag\n"), "'/srv' cannot be mounted in the guest: bad tag", ""),
        (
            mounting,
            CommandResult(1, "", "unknown filesystem type '9p'"),
            "unknown filesystem",
            "another type",
        ),
        (mounting, CommandResult(255, "", ""), "status 255", ""),
        (mounting, None, "'/srv' cannot be mounted in the guest: no answer within 60 s", ""),
        (
            unmounting,
            CommandResult(1, "", "in use by sh (7)"),
            "cannot be unmounted.*in use by sh .7.",
            "End what",
        ),
        (unmounting, None, "'/srv' cannot be unmounted in the guest: no answer within 60 s", ""),
    ],
)
def test_the_guests_words_are_in_the_error(
    make: Any, answer: CommandResult | None, words: str, hint: str
) -> None:
    with pytest.raises(AgentError, match=words) as caught:
        make("/srv", answer)
    assert hint in caught.value.hint
