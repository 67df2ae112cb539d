# SPDX-License-Identifier: GPL-3.0-or-later
"""A document completed: every default of lima.yaml filled in for this host and this instance.

Input has the right shape (:mod:`callao.config.shape`); output is what the schema decodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callao.config.addresses import canonical_address
from callao.config.names import is_user_name
from callao.config.schema import VMType
from callao.config.sizes import parse_size
from callao.host import Host

_GIB = 2**30
_ZERO = "0.0.0.0"  # noqa: S104 - what the guest listens on
_MOUNT_TYPES = {
    VMType.QEMU: ("9p", "virtiofs", "reverse-sshfs"),
    VMType.VZ: ("virtiofs", "reverse-sshfs"),
    VMType.KRUNKIT: ("virtiofs",),
    VMType.WSL2: ("wsl2",),
}
"""By driver, in Lima's order; the first that the guest's kernel and the host have is taken."""

Document = dict[str, Any]


def fill(document: Mapping[str, Any], host: Host, *, instance_dir: Path) -> Document:
    """The whole configuration as plain values; sizes in bytes. ``document`` stays as it is.

    What ``plain`` drops is still there, see :func:`bare`: entries keep their places for the rules.
    """
    filled: Document = {key: value for key, value in _plain(document).items() if value is not None}
    filled.pop("base", None)
    arch = filled.get("arch")
    filled["arch"] = host.arch if arch in (None, "default") else arch
    filled.setdefault("vmType", default_vm_type(filled, host))
    filled["vmOpts"] = _vm_opts(filled)
    filled.setdefault("images", [])
    filled.setdefault("cpus", min(4, host.cpus))
    filled["memory"] = parse_size(filled.get("memory", min(4 * _GIB, host.memory // 2 // 2**20 * 2**20)))
    filled["disk"] = parse_size(filled.get("disk", 100 * _GIB))
    filled.setdefault(
        "mountType", default_mount_type(filled["vmType"], filled.get("mountTypesUnsupported", []), host)
    )
    filled["user"] = _user(filled.get("user", {}), host)
    filled["mounts"] = [_mount(entry, host) for entry in filled.get("mounts", [])]
    filled["portForwards"] = [_forward(entry) for entry in filled.get("portForwards", [])]
    filled["networks"] = [
        _network(entry, index, instance_dir) for index, entry in enumerate(filled.get("networks", []))
    ]
    filled["additionalDisks"] = [_short(entry, "name") for entry in filled.get("additionalDisks", [])]
    for key in ("provision", "probes"):
        filled[key] = [_script(entry) for entry in filled.get(key, [])]
    for key in ("env", "param", "cpuType"):
        filled[key] = {each: _text(value) for each, value in filled.get(key, {}).items()}
    filled.setdefault("timezone", host.timezone)
    return filled


def default_vm_type(document: Mapping[str, Any], host: Host) -> str:
    """What fits the host; QEMU where the host's own hypervisor cannot do what is asked."""
    if host.os == "windows":
        return VMType.WSL2.value
    if host.os != "darwin":
        return VMType.QEMU.value
    foreign = document.get("arch") not in (None, "default", host.arch)
    legacy = (document.get("firmware") or {}).get("legacyBIOS")
    return (VMType.QEMU if foreign or legacy or document.get("mountType") == "9p" else VMType.VZ).value


def default_mount_type(vm_type: str, unsupported: list[str], host: Host) -> str:
    """The driver's best mount type that the guest's distribution has, and this host can serve."""
    types = _MOUNT_TYPES[VMType(vm_type)]
    lacking = [*unsupported, *(["virtiofs"] if vm_type == VMType.QEMU and not host.virtiofs else [])]
    return next((each for each in types if each not in lacking), types[-1])


def mac_address(instance_dir: Path, index: int) -> str:
    """Of the NIC ``index`` (0 is the user-mode one, ``networks`` count from 1): Lima's prefix 52:55:55,
    then three bytes that this host, the instance's folder and the index determine.
    """
    tail = hashlib.sha256(f"{_machine_id()}{instance_dir}{index}".encode()).digest()[:3]
    return "52:55:55:" + ":".join(f"{byte:02x}" for byte in tail)


def below_home(location: str, host: Host) -> str:
    """A path of the host with ``~`` replaced by the user's home."""
    return host.user.home + location[1:] if location == "~" or location.startswith("~/") else location


def _machine_id() -> str:
    """See machine-id(5); empty where there is none."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _vm_opts(filled: Document) -> Document:
    """``rosetta`` at the top is where ``vmOpts.vz.rosetta`` was before; the new place wins."""
    options: Document = filled.get("vmOpts", {})
    old = filled.pop("rosetta", None)
    if old is None:
        return options
    vz = options.get("vz", {})
    return {**options, "vz": {**vz, "rosetta": {**old, **vz.get("rosetta", {})}}}


def _user(user: Mapping[str, Any], host: Host) -> Document:
    """The host's user mirrored. Root cannot be: its name and uid are taken in every guest."""
    mirrored = is_user_name(host.user.name) and host.user.uid != 0
    name = user.get("name") or (host.user.name if mirrored else "lima")
    return {
        "name": name,
        "comment": user.get("comment", host.user.comment if mirrored else ""),
        "home": user.get("home", "/home/{{.User}}.guest"),
        "uid": user.get("uid", host.user.uid or 1000),
        **{key: user[key] for key in ("shell", "passwordlessSudo") if key in user},
    }


def _mount(entry: Mapping[str, Any], host: Host) -> Document:
    location = below_home(entry.get("location", ""), host)
    p9 = dict(entry.get("9p", {}))
    p9["msize"] = parse_size(p9.get("msize", "128KiB"))
    p9.setdefault("cache", "mmap" if entry.get("writable") else "fscache")
    point = entry.get("mountPoint") or _mount_point(location)
    return {**entry, "location": location, "mountPoint": point, "9p": p9}


def _mount_point(location: str) -> str:
    """The location's own path; but the host's root must not cover the home of the guest's root."""
    below_root = location == "/root" or location.startswith("/root/")
    return f"/mnt{location}" if below_root else location


def _forward(entry: Mapping[str, Any]) -> Document:
    filled = {key: value for key, value in entry.items() if key not in ("guestPort", "hostPort")}
    for side in ("guest", "host"):
        port = entry.get(f"{side}Port")
        if port is not None:
            filled.setdefault(f"{side}PortRange", [port, port])
    for key in ("guestIP", "hostIP"):
        if filled.get(key):
            filled[key] = canonical_address(filled[key])
    if entry.get("guestIPMustBeZero"):
        filled.setdefault("guestIP", _ZERO)
    filled.setdefault("guestIPMustBeZero", filled.get("guestIP") == _ZERO)
    filled.setdefault("guestPortRange", [1, 65535])
    filled.setdefault("hostPortRange", filled["guestPortRange"])
    return filled


def _network(entry: Mapping[str, Any], index: int, instance_dir: Path) -> Document:
    return {
        **entry,
        "macAddress": entry.get("macAddress") or mac_address(instance_dir, index + 1),
        "interface": entry.get("interface") or f"lima{index}",
    }


def _script(entry: Mapping[str, Any]) -> Document:
    file = entry.get("file")
    return {**entry, "file": _short(file, "url")} if file is not None else dict(entry)


def _short(entry: Any, key: str) -> Document:
    return {key: entry} if isinstance(entry, str) else dict(entry)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A copy without null entries in maps: null means the default."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def bare(filled: Document) -> Document:
    """``plain: true`` drops what needs help from inside the guest."""
    static = [rule for rule in filled["portForwards"] if rule.get("static")]
    dropped = {
        "mounts": [],
        "containerd": {"system": False, "user": False},
        "timezone": "",
        "mountInotify": False,
    }
    return {**filled, **dropped, "portForwards": static}
