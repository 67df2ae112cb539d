# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of what serves a directory: QEMU, virtiofsd, an SFTP server."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callao.config import MountType, effective
from callao.config.schema import SSHFS, Mount
from callao.drivers import Boot, DeviceShare
from callao.drivers.qemu.accelerator import Acceleration
from callao.drivers.qemu.command_line import BootSource, command_line
from callao.drivers.qemu.hotplug import virtiofsd
from callao.drivers.qemu.hotplug.slots import SlotOptions, export_link, fsdev_id, root_port_id
from callao.drivers.qemu.hotplug.virtiofsd import Virtiofsd, argv
from callao.drivers.qemu.memory import MappedMemory, SharedMemory
from callao.errors import AgentError
from callao.guest_network import USER_MODE
from callao.host import Host, HostUser
from callao.instances import InstancePaths
from callao.mounts import server
from callao.reach import Reach

SHARE = DeviceShare("lima-0011", MountType.P9, "/data")
SLOTS = 8
SOCKET = Path("/h/web/virtiofsd-0.sock")
PATHS = InstancePaths(Path("/h/a,b"))

RUST = Virtiofsd("/v", is_rust=True, has_readonly_option=True)
OLD_RUST = Virtiofsd("/v", is_rust=True, has_readonly_option=False)
OWN = Virtiofsd("/v", is_rust=False, has_readonly_option=False)


def values(words: list[str], option: str) -> list[str]:
    return [words[index + 1] for index, word in enumerate(words) if word == option]


@pytest.mark.parametrize(
    ("fields", "model", "export"),
    [
        ({"writable": True}, "none", "hot1rw"),
        ({}, "none", "hot1ro"),
        ({"location": "/a,b"}, "none", "hot1ro"),
        ({"security_model": "mapped-xattr", "writable": True}, "mapped-xattr", "hot1rw"),
    ],
)
def test_a_9p_share_is_a_device_on_one_of_its_slots_exports(
    fields: dict[str, Any], model: str, export: str
) -> None:
    other = replace(SHARE, tag="lima-0000")
    words = SlotOptions(PATHS, 3, (other, replace(SHARE, **fields))).argv()
    assert f"virtio-9p-pci,fsdev={export},mount_tag=lima-0011,id=hotshare1,bus=hot1" in values(
        words, "-device"
    )
    exports = {each.partition("id=")[2].partition(",")[0]: each for each in values(words, "-fsdev")}
    assert f"security_model={model},multidevs=remap" in exports[export]
    assert "security_model=none" in exports["hot2rw"]
    assert ("readonly=on" in exports[export]) != fields.get("writable", False)
    assert "/a,b" not in " ".join(words)  # the export leads through the slot's link


@pytest.mark.parametrize(("queue", "size"), [(None, ""), (512, "queue-size=512,")])
def test_a_virtiofs_share_is_a_socket_and_a_device(queue: int | None, size: str) -> None:
    share = replace(SHARE, type=MountType.VIRTIOFS, queue_size=queue)
    words = SlotOptions(PATHS, 1, (share,)).argv()
    assert values(words, "-chardev") == ["socket,id=hotchar0,path=/h/a,,b/virtiofsd-0.sock"]
    device = f"vhost-user-fs-pci,chardev=hotchar0,tag=lima-0011,{size}id=hotshare0,bus=hot0"
    assert values(words, "-device")[-1] == device


@pytest.mark.parametrize(
    ("part", "backend"),
    [
        (SharedMemory(2**30), "memory-backend-memfd,id=mem,size=1024M,share=on"),
        (SharedMemory(2**30, 7), "memory-backend-file,id=mem,size=1024M,mem-path=/proc/self/fd/7,share=on"),
        (
            MappedMemory(2**30, Path("/a,b/memory")),
            "memory-backend-file,id=mem,size=1024M,mem-path=/a,,b/memory,share=off",
        ),
    ],
)
def test_memory_is_new_or_inherited_or_a_private_view_of_a_file(
    part: SharedMemory | MappedMemory, backend: str
) -> None:
    words = part.argv()
    assert values(words, "-object") == [backend]
    assert values(words, "-numa") == ["node,memdev=mem"]


def test_every_slot_is_a_port_with_two_exports_through_one_link() -> None:
    words = SlotOptions(PATHS, SLOTS).argv()
    ports, exports = values(words, "-device"), values(words, "-fsdev")
    assert (len(ports), len(exports)) == (SLOTS, 2 * SLOTS) == (8, 16)
    assert len({each.partition("chassis=")[2] for each in ports}) == SLOTS
    for slot in range(SLOTS):
        assert ports[slot].startswith(f"pcie-root-port,id={root_port_id(slot)},")
        writable, read_only = exports[2 * slot : 2 * slot + 2]
        assert writable.startswith(f"local,id={fsdev_id(slot, writable=True)},path=/h/a,,b/9p-slot-{slot},")
        assert "readonly" not in writable
        assert read_only.startswith(
            f"local,id={fsdev_id(slot, writable=False)},path=/h/a,,b/9p-slot-{slot},"
        )
        assert read_only.endswith("readonly=on")
        assert export_link(PATHS, slot) == Path(f"/h/a,b/9p-slot-{slot}")


def test_shared_memory_is_all_of_the_guests() -> None:
    words = SharedMemory(2**30).argv()
    assert values(words, "-object") == ["memory-backend-memfd,id=mem,size=1024M,share=on"]
    assert values(words, "-numa") == ["node,memdev=mem"]


@pytest.mark.parametrize(("platform", "shared"), [("linux", 1), ("darwin", 0)])
def test_memory_is_shared_where_there_is_a_memfd(
    monkeypatch: pytest.MonkeyPatch, platform: str, shared: int
) -> None:
    document = {"images": [{"location": "/img.qcow2"}], "vmType": "qemu", "arch": "x86_64"}
    ann = Host("linux", "x86_64", 8, 2**34, HostUser("ann", 1001, "Ann", "/home/ann"), "")
    folder = Path("/h/web")
    boot = Boot(
        InstancePaths(folder), effective(document, ann, name="web", instance_dir=folder), Reach(40022)
    )
    monkeypatch.setattr(sys, "platform", platform)
    words = command_line("qemu", boot, Acceleration("tcg", "Nehalem"), BootSource(), USER_MODE)
    assert len([each for each in words if each.startswith("memory-backend-memfd")]) == shared


@pytest.mark.parametrize(
    ("program", "writable", "euid", "expected"),
    [
        (RUST, True, 1001, ["/v", "SOCKET", "--shared-dir=/data", "--cache=auto"]),
        (RUST, False, 1001, ["/v", "SOCKET", "--shared-dir=/data", "--cache=auto", "--readonly"]),
        (RUST, True, 0, ["/v", "SOCKET", "--shared-dir=/data", "--cache=auto", "--sandbox=chroot"]),
        (OLD_RUST, True, 1001, ["/v", "SOCKET", "--shared-dir=/data", "--cache=auto"]),
        (
            OWN, True, 0,
            ["/v", "-f", "SOCKET", "-o", "source=/data", "-o", "cache=auto", "-o", "sandbox=chroot"],
        ),
    ],
)  # fmt: skip
def test_each_virtiofsd_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, program: Virtiofsd, writable: bool, euid: int, expected: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: euid)
    words = argv(program, replace(SHARE, writable=writable), SOCKET)
    assert words == [f"--socket-path={SOCKET}" if word == "SOCKET" else word for word in expected]


@pytest.mark.parametrize(
    ("program", "euid", "space"),
    [
        (OLD_RUST, 1001, ["unshare", "--mount", "--map-root-user", "--"]),
        (OLD_RUST, 0, ["unshare", "--mount", "--"]),
        (OWN, 0, ["unshare", "--mount", "--"]),
    ],
)
def test_one_that_cannot_be_read_only_gets_a_read_only_view(
    monkeypatch: pytest.MonkeyPatch, program: Virtiofsd, euid: int, space: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: euid)
    share = replace(SHARE, location="/a b; $x")
    words = argv(program, share, SOCKET)
    served = argv(program, replace(share, location="/sys", writable=True), SOCKET)
    assert words[: len(space)] == space
    assert words[len(space) : len(space) + 2] == ["sh", "-c"]
    assert "remount,bind,ro" in words[len(space) + 2]
    assert "/a b; $x" not in words[len(space) + 2]  # it is an argument of the script, never its text
    assert words[len(space) + 3 :] == ["sh", "/a b; $x", "/sys", *served]


@pytest.mark.parametrize(
    ("location", "source"),
    [("/a,b", "source=/a\\,b"), ("/a\\b", "source=/a\\\\b"), ("/a\\,b", "source=/a\\\\\\,b")],
)
def test_qemus_own_takes_commas_and_backslashes_escaped(location: str, source: str) -> None:
    words = argv(OWN, replace(SHARE, location=location, writable=True), SOCKET)
    assert source in values(words, "-o")


@pytest.mark.parametrize(
    ("help_", "rust", "read_only"),
    [
        ("--shared-dir <DIR> --readonly", True, True),
        ("--shared-dir <DIR>", True, False),
        ("-o source=PATH", False, False),
    ],
)
def test_a_virtiofsd_is_known_by_its_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, help_: str, rust: bool, read_only: bool
) -> None:
    program = tmp_path / "virtiofsd"
    program.write_text(f"#!/bin/sh\necho '{help_}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(
        virtiofsd, "virtiofsds", lambda: iter([("/not/for/me", False), (str(program), True)])
    )
    virtiofsd.find.cache_clear()
    try:
        assert virtiofsd.find() == Virtiofsd(str(program), rust, read_only)
    finally:
        virtiofsd.find.cache_clear()


def sftp(monkeypatch: pytest.MonkeyPatch, program: str | None, mount: Mount) -> list[str]:
    monkeypatch.setattr(server, "sftp_server", lambda: program)
    return server.server_argv(mount)


BUILTIN = [sys.executable, "-P", "-m", "callao.sftp", "--root", "/data"]


@pytest.mark.parametrize(
    ("program", "fields", "expected"),
    [
        ("/s", {}, BUILTIN),
        ("/s", {"writable": True}, [*BUILTIN, "--writable"]),
        ("/s", {"sshfs": SSHFS(sftp_driver="openssh-sftp-server")}, ["/s", "-e", "-R"]),
        ("/s", {"sshfs": SSHFS(sftp_driver="openssh-sftp-server"), "writable": True}, ["/s", "-e"]),
        ("/s", {"sshfs": SSHFS(sftp_driver="builtin")}, BUILTIN),
        (None, {}, BUILTIN),
        (None, {"writable": True}, [*BUILTIN, "--writable"]),
        (
            None, {"writable": True, "sshfs": SSHFS(follow_symlinks=True)},
            [*BUILTIN, "--writable", "--follow-symlinks"],
        ),
    ],
)  # fmt: skip
def test_the_sftp_server_is_our_own_or_opensshs_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, program: str | None, fields: dict[str, Any], expected: list[str]
) -> None:
    mount = Mount(location="/data", mount_point="/srv", **fields)
    assert sftp(monkeypatch, program, mount) == expected


def test_opensshs_own_asked_for_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wish = SSHFS(sftp_driver="openssh-sftp-server")
    with pytest.raises(AgentError, match=r"no sftp-server on this host.*sftpDriver: builtin") as caught:
        sftp(monkeypatch, None, Mount(location="/data", mount_point="/srv", sshfs=wish))
    assert caught.value.hint


def test_the_builtin_server_knows_its_options() -> None:
    done = subprocess.run([*BUILTIN[:4], "--help"], capture_output=True, text=True, check=True)
    for option in ("--root", "--writable", "--follow-symlinks"):
        assert option in done.stdout
