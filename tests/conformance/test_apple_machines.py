# SPDX-License-Identifier: GPL-3.0-or-later
"""Each command line that the drivers for macOS make is one that the tool's own grammar accepts."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import krunkit as krunkit_grammar
import msgspec
import pytest
import vfkit as vfkit_grammar

from callao.config import Config, MountType, effective
from callao.config.schema import Audio, Mount, Rosetta, Video, VMOpts, VZOpts
from callao.config.shares import device_mounts
from callao.drivers.apple import krunkit, vfkit
from callao.drivers.apple.devices import (
    Datagrams,
    DirectKernel,
    Disk,
    FirmwareOfTool,
    Nat,
    Nic,
    SharedDirectory,
    Sound,
    Switch,
    VirtualMachine,
)
from callao.drivers.apple.files import Sockets
from callao.drivers.apple.machine import Wiring, krunkit_machine, vz_machine
from callao.drivers.apple.tools import NEWEST
from callao.drivers.base import Boot, DataDisk
from callao.errors import CallaoError, DriverError
from callao.host import Host, HostUser
from callao.hostagent.mounts.devices import device_share
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths
from callao.templates import builtin_names, resolve

MAC = Host(
    os="darwin", arch="aarch64", cpus=8, memory=16 * 2**30, user=HostUser("ana", 501, "Ana", "/Users/ana"),
    timezone="America/Lima",
)  # fmt: skip
GENERATED = 2000
SOCKETS = Sockets(Path("/tmp/callao-501/0123456789ab"))
FORBIDDEN = {"vz": ",", "krunkit": ",="}


class Present:
    """Every file is there, and raw."""

    def head(self, path: str) -> bytes:
        return b"\0\0\0\0"

    def open(self, path: str) -> None: ...

    def write(self, path: str) -> None: ...

    def is_directory(self, path: str) -> bool:
        return False


@dataclass(frozen=True)
class Case:
    """``faults`` are what the tool cannot be told, found without the code under test."""

    driver: str
    boot: Boot
    wiring: Wiring
    kernel: DirectKernel | None
    version: tuple[int, int, int]
    faults: tuple[str, ...]


@pytest.fixture(scope="module")
def base() -> Config:
    document = {"vmType": "vz", "images": [{"location": "https://example.com/a.qcow2", "arch": "aarch64"}]}
    return effective(document, MAC, name="box", instance_dir=Path("/Users/ana/.lima/box"))


def test_each_generated_configuration_is_accepted_or_refused_with_its_reason(base: Config) -> None:
    chance = random.Random(20)
    refused = 0
    for number in range(GENERATED):
        case = _case(chance, base)
        try:
            argv = _argv(case)
        except DriverError as error:
            refused += 1
            reason = str(error)
        else:
            reason = ""
        assert bool(reason) == bool(case.faults), f"case {number}: {case.faults}, and refused: {reason!r}"
        if reason:
            continue
        held = _accepted(case.driver, argv, case.version)
        _same_machine(case, held)
    assert GENERATED // 10 < refused < GENERATED // 2


def test_each_template_is_accepted(tmp_path: Path) -> None:
    tried = set()
    wiring = Wiring(SOCKETS, Switch(SOCKETS.switch))
    for name in builtin_names():
        document = {**resolve(name, tmp_path).document, "arch": "aarch64", "vmType": "vz"}
        document.pop("mountType", None)
        try:
            config = effective(document, MAC, name="box", instance_dir=Path("/Users/ana/.lima/box"))
        except CallaoError:  # one that is no machine of this architecture
            continue
        for driver in FORBIDDEN:
            case = Case(driver, _boot(config), wiring, None, NEWEST, ())
            if config.audio.device:
                with pytest.raises(DriverError, match="sound"):
                    _argv(case)
            else:
                _accepted(driver, _argv(case), case.version)
            tried.add((name, driver))
    assert len(tried) > 2 * len(builtin_names()) - 10


@pytest.mark.parametrize(
    ("device", "word"),
    [
        (Sound(), "sound"),
        (SharedDirectory(Path("/s"), "t", readonly=True), "writable"),
        (Disk(Path("/a,b")), "','"),
    ],
)
def test_neither_tool_is_told_what_it_does_not_know(device: Any, word: str) -> None:
    for render, boots in (
        (vfkit.command_line, DirectKernel(Path("/k"))),
        (krunkit.command_line, FirmwareOfTool()),
    ):
        with pytest.raises(DriverError, match=word):
            render("tool", VirtualMachine(1, 2**30, boots, (device,)))


@pytest.mark.parametrize(
    ("device", "word"),
    [
        (Disk(Path("/d"), ImageFormat.QCOW2), "qcow2"),
        (SharedDirectory(Path("/s"), "t", own_permissions=True), "securityModel"),
    ],
)
def test_vfkit_is_not_told_what_only_krunkit_knows(device: Any, word: str) -> None:
    with pytest.raises(DriverError, match=word):
        vfkit.command_line("vfkit", VirtualMachine(1, 2**30, DirectKernel(Path("/k")), (device,)))


@pytest.mark.parametrize(
    ("device", "word"),
    [
        (Nic("52:55:55:00:00:01", Nat()), "NAT"),
        (Disk(Path("/a=b")), "'='"),
        (Disk(Path("/a"), readonly=True), "writable"),
    ],
)
def test_krunkit_is_not_told_what_only_vfkit_knows(device: Any, word: str) -> None:
    with pytest.raises(DriverError, match=word):
        krunkit.command_line("krunkit", VirtualMachine(1, 2**30, FirmwareOfTool(), (device,)))


@pytest.mark.parametrize(
    ("driver", "version", "has", "lacks"),
    [
        ("vz", (0, 6, 4), ("virtio-balloon", ",ignore-if-missing"), ()),
        ("vz", (0, 6, 0), (",ignore-if-missing",), ("virtio-balloon",)),
        ("vz", (0, 5, 1), ("rosetta,mountTag=",), ("virtio-balloon", "ignore-if-missing")),
        ("krunkit", (1, 3, 1), ("--restful-uri",), ("--pidfile",)),
        ("krunkit", (1, 3, 0), ("--pidfile",), ("--restful-uri",)),
    ],
)
def test_a_tool_is_told_what_its_version_knows(
    base: Config, driver: str, version: tuple[int, int, int], has: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    config = base
    if driver == "vz":
        config = msgspec.structs.replace(base, vm_opts=VMOpts(vz=VZOpts(rosetta=Rosetta(enabled=True))))
    case = Case(driver, _boot(config), Wiring(SOCKETS, Switch(SOCKETS.switch)), None, version, ())
    line = " ".join(_argv(case))
    assert [each for each in has if each not in line] == []
    assert [each for each in lacks if each in line] == []


def test_the_seed_is_read_only_where_the_tool_has_such_a_disk(base: Config) -> None:
    wiring = Wiring(SOCKETS, Switch(SOCKETS.switch))
    vz = _argv(Case("vz", _boot(base), wiring, None, NEWEST, ()))
    assert "virtio-blk,path=/Users/ana/.lima/box/cidata.iso,readonly" in vz


def test_a_socket_on_a_path_that_vfkit_reads_as_a_url_is_refused() -> None:
    machine = VirtualMachine(1, 2**30, DirectKernel(Path("/k")), (), rest=Path("/a b/rest.sock"))
    with pytest.raises(DriverError, match="URL"):
        vfkit.command_line("vfkit", machine)


def _case(chance: random.Random, base: Config) -> Case:
    driver = chance.choice(["vz", "krunkit"])
    faults: list[str] = []
    config = msgspec.structs.replace(
        base,
        cpus=chance.randint(1, 64),
        memory=chance.choice([128, 512, 1000, 4096, 8192, 16384, 61440, 65536]) * 2**20,
        mount_type=chance.choice([MountType.VIRTIOFS, MountType.REVERSE_SSHFS]),
        nested_virtualization=chance.random() < 0.1,
        video=Video(display=chance.choice(["none", "none", "vz", "default"])),
        audio=Audio(device="vz" if chance.random() < 0.05 else None),
        vm_opts=VMOpts(vz=VZOpts(rosetta=Rosetta(enabled=chance.random() < 0.3))),
        ssh=msgspec.structs.replace(base.ssh, over_vsock=chance.random() < 0.5),
        mounts=tuple(_mount(chance, number) for number in range(chance.choice([0, 0, 1, 2, 5]))),
    )
    folder = Path("/Users/ana") / _name(chance, odd=0.1) / ".lima" / "box"
    disks = tuple(
        DataDisk(f"d{number}", Path(f"/Users/ana/.lima/_disks/d{number}/datadisk"),
                 "qcow2" if chance.random() < 0.05 else "raw", f"callao-{number}")
        for number in range(chance.choice([0] * 8 + [1, 3]))
    )  # fmt: skip
    uplink = chance.choice([Switch(SOCKETS.switch)] * 4 + [Nat(), Datagrams(chance.randint(3, 40))])
    nics = tuple(
        Nic(f"52:55:55:00:00:{number:02x}", Datagrams(50 + number))
        for number in range(chance.choice([0, 0, 1, 3]))
    )
    kernel = None
    if driver == "vz" and chance.random() < 0.2:
        cmdline = chance.choice(["", "console=hvc0 root=/dev/vda1,x ro", "a=b,c", "quiet"])
        kernel = DirectKernel(folder / "kernel", chance.choice([None, folder / "initrd"]), cmdline)
    versions = (
        [(0, 5, 1), (0, 6, 0), (0, 6, 1), (0, 6, 4)] if driver == "vz" else [(1, 2, 1), (1, 3, 0), (1, 3, 1)]
    )
    version = chance.choice(versions)
    boot = replace(_boot(config), paths=InstancePaths(folder), disks=disks)
    paths = [str(folder), *(each.location for each in device_mounts(config))]
    if any(each in path for path in paths for each in FORBIDDEN[driver]):
        faults.append("a path")
    if config.audio.device:
        faults.append("audio")
    if any(each.security_model == "mapped-xattr" for each in boot.shares) and (
        driver == "vz" or version < (1, 3, 0)
    ):
        faults.append("securityModel")
    if driver == "vz":
        faults += ["nested"] if config.nested_virtualization and version < (0, 6, 2) else []
        faults += ["a quote in the boot loader's path"] if '"' in str(folder) else []
        faults += ["qcow2"] if any(each.format != "raw" for each in disks) else []
    else:
        faults += ["nat"] if isinstance(uplink, Nat) else []
        faults += ["disks"] if disks else []
        faults += ["memory"] if config.memory > 61440 * 2**20 else []
    return Case(driver, boot, Wiring(SOCKETS, uplink, nics), kernel, version, tuple(faults))


def _mount(chance: random.Random, number: int) -> Mount:
    location = f"/Users/ana/{_name(chance, odd=0.05)}"
    mount = Mount(location=location, mount_point=f"/mnt/{number}", writable=chance.random() < 0.5)
    if chance.random() < 0.05:
        mount = msgspec.structs.replace(
            mount, p9=msgspec.structs.replace(mount.p9, security_model="mapped-xattr")
        )
    return mount


def _name(chance: random.Random, odd: float) -> str:
    plain = [
        "src",
        "Application Support",
        "año",
        "a.b-c_d",
        "#x",
        "50%",
        'say "x"',
        "-n",
        "tab\there",
        "日本",
    ]
    return chance.choice(["a,b", "a=b", "x,=", "="]) if chance.random() < odd else chance.choice(plain)


def _boot(config: Config) -> Boot:
    shares = tuple(device_share(each, config.mount_type) for each in device_mounts(config))
    paths = InstancePaths(Path("/Users/ana/.lima/box"))
    return Boot(paths, config, None, mac_address="52:55:55:ab:cd:ef", shares=shares)


def _argv(case: Case) -> list[str]:
    if case.driver == "vz":
        machine = vz_machine(case.boot, case.wiring, case.kernel, case.version)
        return vfkit.command_line("vfkit", machine, case.version)
    machine = krunkit_machine(case.boot, case.wiring, case.version)
    return krunkit.command_line("krunkit", machine, case.version)


def _accepted(driver: str, argv: list[str], version: tuple[int, int, int]) -> Any:
    verdict = (
        vfkit_grammar.verdict(argv[1:], Present())
        if driver == "vz"
        else krunkit_grammar.verdict(argv[1:], Present(), version)
    )
    assert verdict.accepted, (verdict.why, argv)
    return verdict.parsed


def _same_machine(case: Case, held: Any) -> None:
    config = case.boot.config
    shared = [each.location for each in case.boot.shares]
    if case.driver == "vz":
        assert (held["vcpus"], held["memoryBytes"]) == (config.cpus, config.memory)
        assert [each["sharedDir"] for each in held["devices"] if each["kind"] == "virtiofs"] == shared
        return
    assert (held["cpus"], held["memoryMiB"]) == (config.cpus, config.memory // 2**20)
    assert [each["sharedDir"] for each in held["devices"] if each["kind"] == "virtio-fs"] == shared
