# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of vfkit b2bc27e5 (after v0.6.4), as its own parser reads it.

Written from cmd/vfkit, pkg/cmdline, pkg/config and pkg/rest. The checks run in vfkit's order, so that the
first fault is the one that vfkit names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from files import Files
from go_url import Uri, parse_request_uri
from go_values import boolean, unsigned, unsigned_any_base
from pflag import NO_SUCH_FLAG, Flag, Flags
from verdict import Refusal, Verdict
from vfkit_boot import boot
from vfkit_devices import gpu, pointer_or_keyboard, rosetta, serial, share, vsock, without_options
from vfkit_network import network
from vfkit_options import options, quoted_list, unknown
from vfkit_storage import block, disk, network_block

TEXTS = {
    "kernel": "k",
    "kernel-cmdline": "C",
    "initrd": "i",
    "timesync": "t",
    "log-level": "",
    "restful-uri": "",
    "ignition": "",
    "pidfile": "",
}
"""Flags with a text as value, and their letters."""
SWITCHES = {"gui": "", "nested": "n", "help": "h", "version": "v"}
LEGACY = ("kernel", "initrd", "kernel-cmdline")
NO_REST = "none://"
SOCKET_PATH = 103
"""Bytes that macOS leaves a unix socket's path."""
PRINTS = "prints and ends with status 0: no machine"
CLOUD_INIT_ISO = "<cloud-init iso>"


@dataclass
class Given:
    """The flags' values, as the parser leaves them."""

    text: dict[str, str] = field(default_factory=lambda: {"restful-uri": NO_REST})
    numbers: dict[str, int] = field(default_factory=lambda: {"cpus": 1, "memory": 512})
    switches: dict[str, bool] = field(default_factory=dict)
    bootloader: list[str] = field(default_factory=list)
    cloud_init: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)

    def flags(self) -> list[Flag]:
        return [
            *(Flag(name, partial(self._text, name), short) for name, short in TEXTS.items()),
            *(Flag(name, partial(self._number, name), name[0]) for name in ("cpus", "memory")),
            *(
                Flag(name, partial(self._switch, name), short, switch=True)
                for name, short in SWITCHES.items()
            ),
            Flag("bootloader", lambda value: self.bootloader.extend(quoted_list(value)), "b"),
            Flag("cloud-init", lambda value: self.cloud_init.extend(quoted_list(value))),
            Flag("device", self.devices.append, "d"),
        ]

    def _text(self, name: str, value: str) -> None:
        self.text[name] = value

    def _number(self, name: str, value: str) -> None:
        self.numbers[name] = unsigned_any_base(value)

    def _switch(self, name: str, value: str) -> None:
        self.switches[name] = boolean(value)


def verdict(argv: Sequence[str], files: Files) -> Verdict:
    try:
        return Verdict(accepted=True, parsed=parse(argv, files))
    except Refusal as refusal:
        return Verdict(accepted=False, why=refusal.why, exit=refusal.exit)


def parse(argv: Sequence[str], files: Files) -> dict[str, Any]:
    """What ``GET /vm/inspect`` shows, with the flags beside it. Raises Refusal."""
    given = Given()
    flags = Flags(given.flags())
    _shell_completion(argv)
    flags.parse(argv)
    if given.switches.get("help") or given.switches.get("version"):
        raise Refusal(PRINTS, exit=0)
    _groups(flags.changed)
    if given.text.get("log-level", "") not in ("", "debug", "info", "error"):
        raise Refusal("log level is none of debug, info, error")
    machine: dict[str, Any] = {
        "vcpus": given.numbers["cpus"],
        "memoryBytes": (given.numbers["memory"] << 20) % (1 << 64),
        "bootloader": boot([given.text.get(name, "") for name in LEGACY], given.bootloader),
    }
    timesync = _timesync(given.text.get("timesync", ""))
    devices = list(given.devices)
    iso = _cloud_init(given.cloud_init, files)
    if given.text.get("pidfile"):
        _pidfile(given.text["pidfile"], files)
    machine["devices"] = [_device(each, files) for each in devices]
    if iso:
        machine["devices"].append(
            {"kind": "virtioblk", "devName": "virtio-blk", "imagePath": CLOUD_INIT_ISO}
        )
    if given.switches.get("gui"):
        _window(machine["devices"])
    ignition = _ignition(given.text.get("ignition", ""))
    return _shown(machine, given, timesync, ignition, _rest(given.text["restful-uri"]))


def _shell_completion(argv: Sequence[str]) -> None:
    """cobra adds a command ``completion``, which knows no flag of vfkit's."""
    if "completion" in argv[:1]:
        foreign = any(
            word.startswith("-") and word not in ("-h", "--help", "--no-descriptions") for word in argv
        )
        raise Refusal(NO_SUCH_FLAG) if foreign else Refusal(PRINTS, exit=0)


def _shown(
    machine: dict[str, Any],
    given: Given,
    timesync: int | None,
    ignition: str,
    rest: dict[str, str] | None,
) -> dict[str, Any]:
    optional = {
        "devices": machine.pop("devices"),
        "timesync": None if timesync is None else {"vsockPort": timesync},
        "ignition": {"kind": "ignition", "configPath": ignition} if ignition else None,
        "nested": given.switches.get("nested"),
        "logLevel": given.text.get("log-level"),
        "pidfile": given.text.get("pidfile"),
        "restfulUri": rest,
    }
    gui = bool(given.switches.get("gui"))
    return {**machine, **{key: value for key, value in optional.items() if value}, "gui": gui}


def _groups(changed: set[str]) -> None:
    legacy = [name for name in LEGACY if name in changed]
    if legacy and len(legacy) < len(LEGACY):
        raise Refusal("kernel, initrd and kernel-cmdline go together")
    if legacy and "bootloader" in changed:
        raise Refusal("kernel, initrd and kernel-cmdline exclude bootloader")


def _timesync(text: str) -> int | None:
    if not text:
        return None
    port = 0
    for option in options(text.split(",")):
        if option.key != "vsockPort":
            raise unknown("timesync")
        port = unsigned(option.value, 32)
    if not port:
        raise Refusal("timesync without a vsockPort")
    return port


def _cloud_init(paths: Sequence[str], files: Files) -> bool:
    if not paths:
        return False
    wanted: dict[str, str] = {}
    for path in filter(None, paths):
        try:
            files.open(path)
        except OSError:
            raise Refusal("a cloud-init file is not there") from None
        name = Path(path).name
        if name in ("user-data", "meta-data", "network-config"):
            wanted[name] = path
    if not wanted.keys() & {"user-data", "meta-data"}:
        raise Refusal("none of the files is called user-data or meta-data")
    if any(files.is_directory(path) for path in wanted.values()):
        raise Refusal("a directory cannot be read as cloud-init file")
    return True


def _pidfile(path: str, files: Files) -> None:
    try:
        files.write(path)
    except OSError:
        raise Refusal("the pid file cannot be written") from None


def _device(text: str, files: Files) -> dict[str, Any]:
    kind, *pieces = text.split(",")
    given = options(pieces)
    match kind:
        case "virtio-blk":
            return block(given, files)
        case "nvme":
            return disk("nvme", "nvme", given)
        case "usb-mass-storage":
            return disk("usbmassstorage", "usb-mass-storage", given)
        case "nbd":
            return network_block(given)
        case "virtio-net":
            return network(given)
        case "virtio-serial":
            return serial(given)
        case "virtio-vsock":
            return vsock(given)
        case "virtio-fs":
            return share(given)
        case "rosetta":
            return rosetta(given)
        case "virtio-gpu":
            return gpu(given)
        case "virtio-input":
            return pointer_or_keyboard(given)
        case "virtio-rng" | "virtio-balloon":
            return without_options(kind.replace("-", ""), kind, given)
    raise Refusal("no such kind of device")


def _window(devices: list[dict[str, Any]]) -> None:
    if not any(each["kind"] == "virtiogpu" for each in devices):
        devices.append({"kind": "virtiogpu", "usesGUI": True, "width": 800, "height": 600})
    next(each for each in devices if each["kind"] == "virtiogpu")["usesGUI"] = True
    if not any(each["kind"] == "virtioinput" for each in devices):
        devices.append({"kind": "virtioinput", "inputType": "keyboard"})


def _ignition(text: str) -> str:
    if "," in text:
        raise Refusal("a comma in the ignition path")
    return text


def _rest(text: str) -> dict[str, str] | None:
    if text == NO_REST:
        return None
    uri = parse_request_uri(text)
    scheme = {"none": "none", "unix": "unix", "tcp": "tcp", "http": "tcp"}.get(uri.scheme)
    if scheme is None:
        raise Refusal("scheme is none of none, unix, tcp, http")
    _endpoint(scheme, uri)
    host, path = uri.host.decode(errors="replace"), uri.path.decode(errors="replace")
    return {"host": host, "path": path, "scheme": scheme}


def _endpoint(scheme: str, uri: Uri) -> None:
    if scheme == "tcp":
        if not uri.host:
            raise Refusal("tcp without a host")
        if uri.path:
            raise Refusal("tcp with a path")
        if not uri.port:
            raise Refusal("tcp without a port")
    if scheme == "unix":
        if not uri.path:
            raise Refusal("unix without a path")
        if uri.host:
            raise Refusal("unix with a host: two slashes instead of three")
        if len(uri.path) > SOCKET_PATH:
            raise Refusal(f"socket path over {SOCKET_PATH} bytes")
