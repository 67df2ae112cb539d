# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills in every default of lima.yaml, for this host and this instance.

The input has passed :mod:`callao.config.coercion`; the schema decodes the output.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from callao.config.addresses import canonical_address
from callao.config.driver_choice import default_vm_type
from callao.config.lima_version import GUEST_HOMES, LIMA_VERSION
from callao.config.names import is_guest_user
from callao.config.schema import VMType
from callao.config.sizes import parse_size
from callao.config.versions import version
from callao.host import Host

_GIB = 2**30
DISK = 100 * _GIB
"""Bytes of an instance's disk, where nothing else is said."""

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the guest listens on
_MOUNT_TYPES = {
    VMType.QEMU: ("9p", "virtiofs", "reverse-sshfs"),
    VMType.VZ: ("virtiofs", "reverse-sshfs"),
    VMType.KRUNKIT: ("virtiofs",),
    VMType.WSL2: ("wsl2",),
}
"""By driver, in Lima's order of preference; the first that the guest and the host support is the default."""

_P9_DEFAULT_SINCE = "1.0.0"
"""For QEMU instances made by an older Lima, the default is reverse-sshfs."""

_SHELLS = {"FreeBSD": "/bin/sh", "Darwin": "/bin/zsh", "Windows": "cmd.exe"}
_OWNERS = {"FreeBSD": "root:wheel", "Darwin": "root:wheel"}
_FILE_MODES = ("data", "yq")

Document = dict[str, Any]


def fill(
    document: Mapping[str, Any], host: Host, *, instance_dir: Path, lima_version_of: str = LIMA_VERSION
) -> Document:
    """The whole configuration as plain values, sizes in bytes. ``document`` is not changed.

    Fields that ``plain`` drops are kept here, because the rules report their indices; :func:`apply_plain`
    drops them later. Defaults of ``mounts`` that depend on the location are filled in by
    :func:`callao.config.mounts.fill_mounts`, after the location's variables are replaced.

    :param document: as :func:`callao.config.coercion.coerce` returns it.
    :param lima_version_of: the content of the instance's lima-version; some defaults depend on it.
    """
    filled: Document = {key: value for key, value in document.items() if key != "base"}
    system = filled.setdefault("os", "Linux")
    arch = filled.setdefault("arch", host.arch)
    filled.setdefault("vmType", default_vm_type(filled, host))
    filled["vmOpts"] = _vm_opts(filled)
    filled["images"] = [_image(entry, arch) for entry in filled.get("images", [])]
    filled["firmware"] = _with_arches(filled.get("firmware", {}), "images", arch)
    filled["containerd"] = _with_arches(filled.get("containerd", {}), "archives", arch)
    filled.setdefault("cpus", min(4, host.cpus))
    filled["memory"] = parse_size(filled.get("memory", min(4 * _GIB, host.memory // 2 // 2**20 * 2**20)))
    filled["disk"] = parse_size(filled.get("disk", DISK))
    filled.setdefault("mountType", _mount_type(filled, lima_version_of, host))
    filled["user"] = _user(filled.get("user", {}), host, system, lima_version_of)
    filled["portForwards"] = [_forward(entry) for entry in filled.get("portForwards", [])]
    filled["networks"] = fill_networks(filled.get("networks", []), instance_dir)
    filled["additionalDisks"] = [
        _expand_shorthand(entry, "name") for entry in filled.get("additionalDisks", [])
    ]
    filled["provision"] = [_provision(entry, system) for entry in filled.get("provision", [])]
    filled["probes"] = _probes(filled.get("probes", []))
    for key in ("env", "param"):
        filled.setdefault(key, {})
    filled["cpuType"] = _without_empty_values(filled.get("cpuType", {}))
    filled["caCerts"] = _ca_certs(filled.get("caCerts", {}))
    filled.setdefault("mounts", [])
    filled.setdefault("timezone", host.timezone)
    return filled


def _mount_type(filled: Document, lima_version_of: str, host: Host) -> str:
    """The driver's first mount type that the guest's distribution and the host support."""
    types = _MOUNT_TYPES[VMType(filled["vmType"])]
    without = ["virtiofs"] if filled["vmType"] == VMType.QEMU and not host.virtiofs else []
    lacking = [*filled.get("mountTypesUnsupported", []), *without]
    if filled["vmType"] == VMType.QEMU and version(lima_version_of) < version(_P9_DEFAULT_SINCE):
        return "reverse-sshfs"
    # The others show the files with their owner's number, and the guest's user is not root.
    if filled["vmType"] == VMType.QEMU and host.user.uid == 0:
        return "reverse-sshfs"
    return next((each for each in types if each not in lacking), types[-1])


def mac_address(instance_dir: Path, index: int) -> str:
    """The MAC address of NIC ``index`` (0 is the user-mode NIC, those of ``networks`` count from 1): Lima's
    prefix 52:55:55, then three bytes of a hash of this host, the instance's folder and the index.
    """
    tail = hashlib.sha256(f"{_machine_id()}{instance_dir}{index}".encode()).digest()[:3]
    return "52:55:55:" + ":".join(f"{byte:02x}" for byte in tail)


def _machine_id() -> str:
    """The host's machine-id(5); empty where there is none."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _vm_opts(filled: Document) -> Document:
    """Merges the deprecated top-level ``rosetta`` into ``vmOpts.vz.rosetta``, which wins."""
    options: Document = dict(filled.get("vmOpts", {}))
    old = filled.pop("rosetta", None)
    if old is not None and "vz" not in options.get("others", {}):
        vz = options.get("vz", {})
        options["vz"] = {**vz, "rosetta": {**old, **vz.get("rosetta", {})}}
    qemu = options.get("qemu", {})
    if "cpuType" in qemu:
        options["qemu"] = {**qemu, "cpuType": _without_empty_values(qemu["cpuType"])}
    return options


def _without_empty_values(table: Mapping[str, str]) -> Document:
    return {key: value for key, value in table.items() if value}


def _image(entry: Mapping[str, Any], arch: str) -> Document:
    image = {"arch": arch, **entry}
    parts = {key: {"arch": image["arch"], **entry[key]} for key in ("kernel", "initrd") if key in entry}
    return {**image, **parts}


def _with_arches(fields: Mapping[str, Any], key: str, arch: str) -> Document:
    return {**fields, **({key: [{"arch": arch, **each} for each in fields[key]]} if key in fields else {})}


def _user(user: Mapping[str, Any], host: Host, system: str, lima_version_of: str) -> Document:
    """Defaults from the host's user, except root: its name and uid exist in every guest already."""
    mirrored = is_guest_user(host.user.name) and host.user.uid != 0
    name = user.get("name") or (host.user.name if mirrored else "lima")
    homes = "/Users" if system == "Darwin" else "/home"
    suffix = "guest" if version(lima_version_of) >= version(GUEST_HOMES) else "linux"
    return {
        "name": name,
        "comment": user.get("comment", host.user.comment if mirrored else ""),
        "home": user.get("home", f"{homes}/{name}.{suffix}"),
        "shell": user.get("shell", _SHELLS.get(system, "/bin/bash")),
        "uid": user.get("uid", host.user.uid or 1000),
        "passwordlessSudo": user.get("passwordlessSudo", system != "Darwin"),
    }


def _forward(entry: Mapping[str, Any]) -> Document:
    filled = {key: value for key, value in entry.items() if key not in ("guestPort", "hostPort")}
    for side in ("guest", "host"):
        port = entry.get(f"{side}Port")
        if port is not None:
            filled.setdefault(f"{side}PortRange", [port, port])
    for key in ("guestIP", "hostIP"):
        if filled.get(key):
            filled[key] = canonical_address(filled[key])
    filled.setdefault("guestIP", _ANY_ADDRESS if entry.get("guestIPMustBeZero") else "127.0.0.1")
    filled.setdefault("guestIPMustBeZero", filled["guestIP"] == _ANY_ADDRESS)
    filled.setdefault("guestPortRange", [1, 65535])
    filled.setdefault("hostPortRange", filled["guestPortRange"])
    return filled


def fill_networks(entries: Sequence[Mapping[str, Any]], instance_dir: Path) -> list[Document]:
    """Merges entries with the same interface; fields of later entries win."""
    combined: list[Document] = []
    places: dict[str, int] = {}
    for entry in entries:
        name = entry.get("interface")
        if name in places:
            combined[places[name]] = _merge_network(combined[places[name]], entry)
            continue
        if name:
            places[name] = len(combined)
        combined.append(dict(entry))
    return [_network(entry, index, instance_dir) for index, entry in enumerate(combined)]


def _merge_network(under: Document, entry: Mapping[str, Any]) -> Document:
    """``lima`` and ``socket`` exclude each other: the one that ``entry`` sets replaces the other."""
    kept = dict(under)
    if entry.get("socket"):
        kept.pop("lima", None)
    if entry.get("lima"):
        kept.pop("socket", None)
    return {**kept, **{key: value for key, value in entry.items() if key != "vzNAT"}}


def _network(entry: Mapping[str, Any], index: int, instance_dir: Path) -> Document:
    return {
        **entry,
        "macAddress": entry.get("macAddress") or mac_address(instance_dir, index + 1),
        "interface": entry.get("interface") or f"lima{index}",
    }


def _provision(entry: Mapping[str, Any], system: str) -> Document:
    filled = _script(entry)
    mode = filled.setdefault("mode", "system")
    if mode in _FILE_MODES:
        filled["owner"] = entry.get("owner") or _OWNERS.get(system, "root:root")
        filled.setdefault("permissions", "644")
    if mode == "data":
        filled.setdefault("content", "")
    if mode == "yq":
        filled.setdefault("format", "auto")
    if mode == "dependency":
        filled.setdefault("skipDefaultDependencyResolution", False)
    return filled


def _probes(entries: Sequence[Mapping[str, Any]]) -> list[Document]:
    return [
        {"description": f"user probe {index + 1}/{len(entries)}", **_script(entry)}
        for index, entry in enumerate(entries)
    ]


def _ca_certs(fields: Mapping[str, Any]) -> Document:
    unique = {key: list(dict.fromkeys(fields[key])) for key in ("files", "certs") if key in fields}
    return {**fields, **unique}


def _script(entry: Mapping[str, Any]) -> Document:
    file = entry.get("file")
    return {**entry, "file": _expand_shorthand(file, "url")} if file is not None else dict(entry)


def _expand_shorthand(entry: Any, key: str) -> Document:
    return {key: entry} if isinstance(entry, str) else dict(entry)


def apply_plain(filled: Document) -> Document:
    """Drops the fields that ``plain: true`` disables, because they need a program in the guest."""
    static = [rule for rule in filled["portForwards"] if rule.get("static")]
    dropped = {
        "mounts": [],
        "containerd": {"system": False, "user": False},
        "timezone": "",
        "mountInotify": False,
    }
    return {**filled, **dropped, "portForwards": static}
