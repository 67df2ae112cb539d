# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the drivers for macOS: leases, REST, relayed frames, disks and their layers, programs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callao.config import effective
from callao.drivers import driver_for
from callao.drivers.apple import disk, gvproxy, network, rest, short_folder, tools
from callao.drivers.apple.files import Sockets
from callao.drivers.apple.layers import CopiedLayers
from callao.drivers.apple.leases import address_of
from callao.drivers.apple.relay import Relay
from callao.errors import ConfigError, DriverError
from callao.host import Host, HostUser
from callao.instances import InstancePaths
from callao.reach import Reach

MAC = Host(
    os="darwin", arch="aarch64", cpus=8, memory=16 * 2**30, user=HostUser("ana", 501, "Ana", "/Users/ana"),
    timezone="America/Lima",
)  # fmt: skip


def entry(mac: str, address: str) -> str:
    return f"{{\n\tname=box\n\tip_address={address}\n\thw_address=1,{mac}\n\tlease=0x6a\n}}\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (entry("52:55:55:a:b:c", "192.168.64.7"), "192.168.64.7"),
        (entry("52:55:55:a:b:c", "192.168.64.9") + entry("52:55:55:a:b:c", "192.168.64.7"), "192.168.64.9"),
        (entry("52:55:55:a:b:d", "192.168.64.7"), ""),
        (entry("52:55:55:a:b:c", "192.168.64.7")[:-2], ""),
        (entry("52:55:55:a:b:c", "$(reboot)") + entry("52:55:55:a:b:c", "192.168.64.7"), "192.168.64.7"),
        (entry("52:55:55:a:b:c", "0.0.0.0"), ""),
        ("\0\ufffd{{{\n}\nip_address=\n", ""),
        ("", ""),
    ],
)
def test_the_newest_lease_of_a_nic_is_found(text: str, address: str, tmp_path: Path) -> None:
    file = tmp_path / "leases"
    file.write_text(text)
    assert address_of("52:55:55:0a:0b:0c", file) == address


def test_no_file_of_leases_is_no_lease(tmp_path: Path) -> None:
    assert address_of("52:55:55:0a:0b:0c", tmp_path / "nosuch") == ""


def test_a_request_is_one_write_on_a_connection_of_its_own(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")  # and the connection stays open
        await writer.drain()

    async def ask() -> None:
        async with await asyncio.start_unix_server(serve, tmp_path / "s"):
            await rest.change_state(tmp_path / "s", "Stop")
            await rest.change_state(tmp_path / "s", "HardStop")

    asyncio.run(ask())
    assert [json.loads(each.partition(b"\r\n\r\n")[2]) for each in heard] == [
        {"state": "Stop"},
        {"state": "HardStop"},
    ]
    assert all(each.startswith(b"POST /vm/state HTTP/1.1\r\n") for each in heard)


def test_frames_go_both_ways_and_on_by_another_stream() -> None:
    async def pass_frames() -> list[bytes]:
        relay = Relay()
        guest = relay.theirs.dup()
        guest.setblocking(False)
        loop = asyncio.get_running_loop()
        seen = []
        for frame in (b"one" * 400, b"two" * 20):
            ours, far = socket.socketpair()
            far.setblocking(False)
            relay.connect(ours.fileno())
            ours.close()
            await loop.sock_sendall(far, struct.pack(">I", len(frame)) + frame[:5])
            await loop.sock_sendall(far, frame[5:])
            seen.append(await loop.sock_recv(guest, 65536))
            guest.send(frame)
            seen.append((await loop.sock_recv(far, 65536))[4:])
            far.close()
        await asyncio.sleep(0)
        guest.send(b"nobody is there to take this")
        await asyncio.sleep(0)
        relay.close()
        guest.close()
        return seen

    assert asyncio.run(pass_frames()) == [b"one" * 400, b"one" * 400, b"two" * 20, b"two" * 20]


def test_frames_that_the_guest_has_no_space_for_yet_come_later() -> None:
    async def flood() -> int:
        relay = Relay()
        guest = relay.theirs.dup()
        guest.setblocking(False)
        ours, far = socket.socketpair()
        relay.connect(ours.fileno())
        ours.close()
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        frame = struct.pack(">I", 1000) + b"x" * 1000
        sending = asyncio.ensure_future(loop.sock_sendall(far, frame * 2000))
        for _ in range(2000):
            assert len(await loop.sock_recv(guest, 65536)) == 1000
        await sending
        relay.close()
        guest.close()
        far.close()
        return 2000

    assert asyncio.run(flood()) == 2000


def test_frames_that_the_guest_sends_at_once_arrive_in_their_order() -> None:
    async def burst() -> bytes:
        relay = Relay()
        ours, far = socket.socketpair()
        relay.connect(ours.fileno())
        ours.close()
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        with relay.theirs.dup() as guest:
            guest.setblocking(False)
            for number in range(200):
                await loop.sock_sendall(guest, b"frame %03d" % number)
        received = b""
        while len(received) < 200 * 13:
            received += await loop.sock_recv(far, 65536)
        relay.close()
        far.close()
        return received

    assert asyncio.run(burst()) == b"".join(
        struct.pack(">I", 9) + b"frame %03d" % number for number in range(200)
    )


def test_a_length_that_is_no_frames_ends_the_stream() -> None:
    async def lie() -> bytes:
        relay = Relay()
        ours, far = socket.socketpair()
        far.setblocking(False)
        relay.connect(ours.fileno())
        ours.close()
        far.send(b"\xff\xff\xff\xff")
        said = await asyncio.get_running_loop().sock_recv(far, 1)
        relay.close()
        far.close()
        return said

    assert asyncio.run(lie()) == b""


def test_a_qcow2_image_becomes_a_raw_disk_with_holes(tmp_path: Path) -> None:
    raw, image, made = tmp_path / "raw", tmp_path / "image", tmp_path / "disk"
    raw.write_bytes(b"\0" * 2**20 + b"data" * 1024 + b"\0" * 2**20)
    disk_of(raw, image)
    disk.create(made, image, 64 * 2**20, "image")
    assert made.stat().st_size == 64 * 2**20
    assert made.stat().st_blocks * 512 < 2**20
    assert made.read_bytes()[2**20 : 2**20 + 4] == b"data"


def test_a_disk_that_is_smaller_than_its_image_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"\0" * 2**20)
    with pytest.raises(ConfigError, match="fewer than image has"):
        disk.create(tmp_path / "disk", image, 1024, "image")


def test_layers_of_a_raw_disk_are_kept_returned_to_shared_and_swept(tmp_path: Path) -> None:
    layers, image, other = CopiedLayers(), tmp_path / "a" / "disk", tmp_path / "b" / "disk"
    for each in (image, other):
        each.parent.mkdir()
    image.write_bytes(b"first")
    (first,) = layers.freeze([image])
    image.write_bytes(b"second")
    (second,) = layers.freeze([image])
    image.write_bytes(b"third")
    layers.revert({image: first})
    layers.share(image, second, other)
    assert (image.read_bytes(), other.read_bytes()) == (b"first", b"second")
    layers.sweep(image, [second])
    assert sorted(each.name for each in image.parent.iterdir()) == ["disk", second]
    with pytest.raises(DriverError, match="does not exist"):
        layers.revert({image: first})


def test_the_layers_of_a_qcow2_disk_are_left_alone(tmp_path: Path) -> None:
    layers, image, backed_by = CopiedLayers(), tmp_path / "datadisk", tmp_path / "datadisk.1"
    for each in (image, backed_by):
        each.write_bytes(b"QFI\xfb and more")
    layers.sweep(image, [])
    assert backed_by.exists()
    with pytest.raises(DriverError, match="is qcow2"):
        layers.freeze([image])
    with pytest.raises(DriverError, match="is qcow2"):
        layers.revert({image: "datadisk.1"})


def test_sockets_lie_in_a_short_plain_folder_of_ours_whatever_the_instance_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_folder, "_PARENT", tmp_path)
    paths = InstancePaths(tmp_path / "Application Support ü,=" / "box")
    paths.dir.mkdir(parents=True)
    folder = short_folder.make(paths)
    (folder / "stale").touch()
    assert short_folder.make(paths) == folder
    assert (list(folder.iterdir()), stat.S_IMODE(folder.stat().st_mode)) == ([], 0o700)
    assert (paths.dir / "sockets").resolve() == folder.resolve()
    assert len(str(folder.relative_to(tmp_path))) < 30
    short_folder.remove(paths)
    assert not folder.exists()
    assert list(paths.dir.iterdir()) == []


def test_a_folder_that_others_can_read_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_folder, "_PARENT", tmp_path)
    paths = InstancePaths(tmp_path / "box")
    paths.dir.mkdir()
    short_folder.make(paths).parent.chmod(0o755)
    with pytest.raises(DriverError, match="only this user can read"):
        short_folder.make(paths)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("vfkit version: v0.6.4", (0, 6, 4)),
        ("krunkit 1.3.1", (1, 3, 1)),
        ("gvproxy version v0.8.9-3-g123abcd", (0, 8, 9)),
        ("vfkit version: unknown", tools.NEWEST),
        ("", tools.NEWEST),
    ],
)
def test_a_programs_version_is_what_it_says(said: str, version: tools.Version, tmp_path: Path) -> None:
    program = write_program(tmp_path / "tool", f"echo '{said}'")
    assert tools.version_of(str(program)) == version


def test_an_old_program_is_named_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "gvproxy", "echo gvproxy version v0.8.1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "gvproxy is version 0.8.1, and 0.8.8 is needed" in tools.GVPROXY.missing()
    assert not network.has_gvproxy()


def test_a_gvproxy_that_ends_is_told_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    program = write_program(tmp_path / "gvproxy", r"printf '\033[2Jno such subnet\a' >&2; exit 1")
    start = gvproxy.Gvproxy.start(
        str(program), Sockets(tmp_path), "52:55:55:00:00:01", None, tmp_path / "gvproxy.log"
    )
    with pytest.raises(DriverError, match=r"gvproxy ended with status 1: .*no such subnet") as caught:
        asyncio.run(start)
    assert caught.value.message.isprintable()


def test_gvproxy_gives_the_addresses_that_templates_rely_on() -> None:
    text = gvproxy.configuration(Sockets(Path("/tmp/s")), "52:55:55:00:00:01", Reach(60022))
    assert json.loads(text)["stack"] == {
        "mtu": 1500,
        "subnet": "192.168.5.0/24",
        "gatewayIP": "192.168.5.3",
        "hostIP": "192.168.5.2",
        "deviceIP": "192.168.5.15",
        "nat": {"192.168.5.2": "127.0.0.1"},
        "gatewayVirtualIPs": ["192.168.5.2"],
        "dhcpStaticLeases": {"192.168.5.15": "52:55:55:00:00:01"},
        "forwards": {"127.0.0.1:60022": "192.168.5.15:22"},
    }


KERNEL = {"location": "/a", "arch": "aarch64", "kernel": {"location": "/k", "cmdline": 'init="/bin/sh -e"'}}


@pytest.mark.parametrize(
    ("driver", "document", "path"),
    [
        ("vz", {"arch": "x86_64"}, "arch"),
        ("vz", {"firmware": {"legacyBIOS": True}}, "firmware.legacyBIOS"),
        ("vz", {"audio": {"device": "default"}}, "audio.device"),
        ("vz", {"video": {"display": "vnc"}}, "video.display"),
        ("vz", {"images": [KERNEL]}, "images[0].kernel.cmdline"),
        ("vz", {"mounts": [{"location": "/Users/a,b"}]}, "mounts[0].location"),
        (
            "vz",
            {"plain": True, "portForwards": [{"guestPort": 80, "static": True}]},
            "portForwards[0].static",
        ),
        ("krunkit", {"mounts": [{"location": "/Users/a=b"}]}, "mounts[0].location"),
        ("krunkit", {"networks": [{"vzNAT": True}]}, "networks[0]"),
        ("krunkit", {"additionalDisks": ["data"]}, "additionalDisks"),
        ("krunkit", {"memory": "100GiB"}, "memory"),
        ("krunkit", {"cpus": 300}, "cpus"),
    ],
)
def test_what_a_tool_cannot_do_is_refused_by_its_place(
    driver: str, document: dict[str, Any], path: str
) -> None:
    image = {"location": "/a.qcow2", "arch": document.get("arch", "aarch64")}
    config = effective(
        {"images": [image], "vmType": driver, **document},
        MAC, name="box", instance_dir=Path("/Users/ana/.lima/box"),
    )  # fmt: skip
    found = driver_for(config.vm_type).validate(config, MAC)
    assert [each.path for each in found] == [path]
    assert found[0].allowed


def write_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def disk_of(raw: Path, image: Path) -> None:
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
