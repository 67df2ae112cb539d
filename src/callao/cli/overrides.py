# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags as changes of a lima.yaml: what ``--cpus 2`` and its like mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callao.config import transform
from callao.errors import CallaoError

Document = dict[str, Any]


def given(flags: Mapping[str, Any]) -> bool:
    """Whether any of the flags says something."""
    return any(value not in (None, ()) for value in flags.values())


def overridden(document: Mapping[str, Any], flags: Mapping[str, Any]) -> Document:
    """``document`` with the flags applied, ``--set`` last; the document itself stays as it is.

    :raises CallaoError: naming a flag whose value cannot be.
    """
    changed: Document = dict(document)
    for name, change in _CHANGES.items():
        value = flags.get(name)
        if value not in (None, ()):
            change(changed, value)
    for expression in flags.get("expressions") or ():
        changed = transform(changed, expression)
    return changed


def _put(*path: str) -> Callable[[Document, Any], None]:
    def change(document: Document, value: Any) -> None:
        place = document
        for key in path[:-1]:
            place[key] = dict(place.get(key) or {})
            place = place[key]
        place[path[-1]] = value

    return change


def _gib(key: str) -> Callable[[Document, Any], None]:
    def change(document: Document, value: float) -> None:
        if value <= 0:
            raise CallaoError(f"--{key}: {value!r} is no size (allowed: GiB above 0).")
        document[key] = f"{value:g}GiB" if value == int(value) else int(value * 2**30)

    return change


def _containerd(document: Document, value: str) -> None:
    _put("containerd", "user")(document, "user" in value.split("+"))
    _put("containerd", "system")(document, "system" in value.split("+"))


def _dns(document: Document, value: tuple[str, ...]) -> None:
    document["dns"] = list(dict.fromkeys([*(document.get("dns") or []), *value]))
    _put("hostResolver", "enabled")(document, False)


def _mount(document: Document, value: tuple[str, ...]) -> None:
    new = [_shared(each) for each in value]
    places = {each["location"] for each in new}
    old = [each for each in document.get("mounts") or [] if each.get("location") not in places]
    document["mounts"] = [*new, *old]


def _mount_only(document: Document, value: tuple[str, ...]) -> None:
    document["mounts"] = [_shared(each) for each in value]


def _mount_none(document: Document, value: bool) -> None:
    if value:
        document["mounts"] = []


def _mount_writable(document: Document, value: bool) -> None:
    document["mounts"] = [{**each, "writable": value} for each in document.get("mounts") or []]


def _shared(text: str) -> Document:
    location, colon, suffix = text.rpartition(":")
    if colon and suffix == "w":
        return {"location": location, "writable": True}
    return {"location": text}


def _network(document: Document, value: tuple[str, ...]) -> None:
    kinds: list[Document] = []
    for each in value:
        kind, _, name = each.partition(":")
        if each == "vzNAT":
            kinds.append({"vzNAT": True})
        elif kind == "lima" and name:
            kinds.append({"lima": name})
        else:
            raise CallaoError(f"--network: {each!r} is not known (allowed: lima:NAME, vzNAT).")
    document["networks"] = [*(document.get("networks") or []), *kinds]


def _port_forward(document: Document, value: tuple[str, ...]) -> None:
    rules = [_rule(each) for each in value]
    document["portForwards"] = [*rules, *(document.get("portForwards") or [])]


def _rule(text: str) -> Document:
    ports, _, rest = text.partition(",")
    host, colon, guest = ports.rpartition(":")
    if (
        not colon
        or not host.isdigit()
        or not guest.isdigit()
        or rest not in ("", "static=true", "static=false")
    ):
        raise CallaoError(f"--port-forward: {text!r} is no rule (allowed: HOST:GUEST[,static=true]).")
    rule: Document = {"guestPort": int(guest), "hostPort": int(host)}
    return {**rule, "static": True} if rest == "static=true" else rule


def _rosetta(document: Document, value: bool) -> None:
    _put("vmOpts", "vz", "rosetta")(document, {"enabled": value, "binfmt": value})


def _video(document: Document, value: bool) -> None:
    _put("video", "display")(document, "default" if value else "none")


def _param(document: Document, value: tuple[str, ...]) -> None:
    for each in value:
        key, equals, text = each.partition("=")
        if not equals:
            raise CallaoError(f"--param: {each!r} is no parameter (allowed: KEY=VALUE).")
        _put("param", key)(document, text)


_CHANGES: dict[str, Callable[[Document, Any], None]] = {
    "arch": _put("arch"),
    "containerd": _containerd,
    "cpus": _put("cpus"),
    "memory": _gib("memory"),
    "disk": _gib("disk"),
    "dns": _dns,
    "mount_none": _mount_none,
    "mount_only": _mount_only,
    "mount": _mount,
    "mount_writable": _mount_writable,
    "mount_inotify": _put("mountInotify"),
    "mount_type": _put("mountType"),
    "network": _network,
    "port_forward": _port_forward,
    "nested_virt": _put("nestedVirtualization"),
    "rosetta": _rosetta,
    "video": _video,
    "plain": _put("plain"),
    "ssh_port": _put("ssh", "localPort"),
    "vm_type": _put("vmType"),
    "param": _param,
}
