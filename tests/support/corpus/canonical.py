# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml in one form: what means the same is equal."""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Callable
from typing import Any

from callao.config import parse_size

Document = dict[str, Any]

_SSHFS = {"cache": True, "followSymlinks": False, "sftpDriver": ""}
_P9 = {"securityModel": "none", "protocolVersion": "9p2000.L", "msize": 128 * 1024}
_FLAGS = {"reverse": False, "ignore": False, "static": False, "guestIPMustBeZero": False}
_TOP: dict[str, Document] = {
    "ssh": {
        "localPort": 0,
        "loadDotSSHPubKeys": False,
        "forwardAgent": False,
        "forwardX11": False,
        "forwardX11Trusted": False,
        "overVsock": False,
    },
    "firmware": {"legacyBIOS": False},
    "hostResolver": {"enabled": True, "ipv6": False},
    "caCerts": {"removeDefaults": False},
    "video": {"display": "none"},
    "user": {"shell": "/bin/bash", "passwordlessSudo": True},
    "containerd": {"system": False, "user": False},
}


def canonical(document: Document, *, text: str = "", sockets: str = "/home/ana/.lima/x/sock") -> Document:
    """The document without what goes without saying.

    :param text: what the case says: some fields count only where it speaks of them.
    """
    plain: Document = {key: _clean(value) for key, value in document.items()}
    options = dict(plain.get("vmOpts") or {})
    if plain.pop("cpuType", None):
        options["qemu"] = {"cpuType": document["cpuType"], **options.get("qemu", {})}
    if plain.pop("rosetta", None):
        vz = options.get("vz", {})
        options["vz"] = {**vz, "rosetta": {**document["rosetta"], **vz.get("rosetta", {})}}
    plain["vmOpts"] = _clean(_options(options))
    for key in ("memory", "disk"):
        if plain.get(key) not in (None, "@default"):
            plain[key] = _size(plain[key])
    for key, values in _TOP.items():
        if isinstance(plain.get(key), dict):
            plain[key] = _without(plain[key], values)
    video, containerd = plain.get("video"), plain.get("containerd")
    if isinstance(video, dict) and "vnc" not in text:
        video.pop("vnc", None)
    if isinstance(containerd, dict) and "containerd" not in text:
        containerd.pop("user", None)
    if isinstance(containerd, dict) and "archives" not in text:
        containerd.pop("archives", None)
    arch = plain.get("arch") or "x86_64"
    for key, inner in (("firmware", "images"), ("containerd", "archives")):
        place = plain.get(key)
        if isinstance(place, dict) and isinstance(place.get(inner), list):
            place[inner] = [_without(each, {"arch": arch}) for each in place[inner]]
    tables: dict[str, Callable[..., Any]] = {
        "images": lambda each, _index, _count: _image(each, arch),
        "mounts": _mount,
        "portForwards": lambda each, _index, _count: _forward(each, sockets),
        "provision": _provision,
        "probes": _probe,
        "networks": _network,
        "additionalDisks": _disk,
        "copyToHost": lambda each, _index, _count: _without(
            each, {"skipIfMissing": False, "deleteOnStop": False}
        ),
    }
    for key, table in tables.items():
        entries = plain.get(key)
        if isinstance(entries, list):
            plain[key] = [
                _clean(table(each, index, len(entries))) if isinstance(each, dict | str) else each
                for index, each in enumerate(entries)
            ]
    unsupported = plain.get("mountTypesUnsupported")
    if isinstance(unsupported, list):
        plain["mountTypesUnsupported"] = list(dict.fromkeys(unsupported))
    return {key: value for key, value in plain.items() if value not in (None, "", [], {}) and key != "warm"}


def difference(wanted: Document, given: Document, keys: Any) -> tuple[Document, Document]:
    """Both, with the ``keys`` that differ."""
    differing = [key for key in keys if wanted.get(key) != given.get(key)]
    return {key: wanted.get(key) for key in differing}, {key: given.get(key) for key in differing}


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        cleaned = {key: _clean(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if item not in (None, "", [], {})}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _without(entry: Any, defaults: Document) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        key: value
        for key, value in entry.items()
        if key not in defaults or value != defaults[key] or type(value) is not type(defaults[key])
    }


def _size(value: Any) -> Any:
    try:
        return parse_size(value)
    except ValueError:
        return value


def _options(options: Document) -> Document:
    vz = options.get("vz")
    if not isinstance(vz, dict):
        return options
    rosetta = _without(vz.get("rosetta", {}), {"enabled": False, "binfmt": False})
    return {**options, "vz": _without({**vz, "rosetta": rosetta}, {"diskImageFormat": "raw"})}


def _image(each: Any, arch: str) -> Any:
    if not isinstance(each, dict):
        return each
    own = each.get("arch") or arch
    parts = {key: _without(each[key], {"arch": own}) for key in ("kernel", "initrd") if key in each}
    return _without({**each, **parts}, {"arch": arch})


def _mount(each: Any, _index: int, _count: int) -> Any:
    if not isinstance(each, dict):
        return each
    p9 = dict(each.get("9p") or {})
    if "msize" in p9:
        p9["msize"] = _size(p9["msize"])
    cache = "mmap" if each.get("writable") else "fscache"
    return _without(
        {
            **each,
            "sshfs": _without(each.get("sshfs") or {}, _SSHFS),
            "9p": _without(p9, {**_P9, "cache": cache}),
            "virtiofs": _without(each.get("virtiofs") or {}, {"queueSize": 1024}),
        },
        {"writable": False, "mountPoint": each.get("location", "")},
    )


def _forward(each: Any, sockets: str) -> Any:
    if not isinstance(each, dict):
        return each
    rule = {key: value for key, value in each.items() if key not in ("guestPort", "hostPort")}
    for side in ("guest", "host"):
        port = each.get(f"{side}Port")
        if port:
            rule.setdefault(f"{side}PortRange", [port, port])
        address = rule.get(f"{side}IP")
        if isinstance(address, str) and address:
            rule[f"{side}IP"] = _address(address)
    guest = rule.get("guestPortRange") or [1, 65535]
    if rule.get("hostPortRange") in (guest, [0, 0]):
        rule.pop("hostPortRange")
    if guest in ([1, 65535], [0, 0]):
        rule.pop("guestPortRange", None)
    socket = rule.get("hostSocket")
    if socket and isinstance(socket, str):
        rule["hostSocket"] = posixpath.normpath(posixpath.join(sockets, socket))
    return _without(rule, {**_FLAGS, "guestIP": "127.0.0.1", "hostIP": "127.0.0.1", "proto": "any"})


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


def _provision(each: Any, _index: int, _count: int) -> Any:
    if not isinstance(each, dict):
        return each
    defaults: Document = {"mode": "system", "owner": "root:root", "permissions": "644", "overwrite": True}
    if each.get("mode") == "yq":
        defaults["format"] = "auto"
    return _without(each, defaults)


def _probe(each: Any, index: int, count: int) -> Any:
    return _without(each, {"mode": "readiness", "description": f"user probe {index + 1}/{count}"})


def _network(each: Any, _index: int, _count: int) -> Any:
    if isinstance(each, dict) and str(each.get("macAddress", "")).startswith("52:55:55:"):
        each = {**each, "macAddress": "@default"}
    return _without(each, {"metric": 100, "vzNAT": False})


def _disk(each: Any, _index: int, _count: int) -> Any:
    return {"name": each} if isinstance(each, str) else _without(each, {"format": True})
