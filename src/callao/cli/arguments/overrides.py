# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates configuration flags such as ``--cpus 2`` to changes of a lima.yaml."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from callao.cli.parsing.options import GO_BOOLEANS
from callao.cli.terminal.messages import Dialect, message_style
from callao.config import apply_jq
from callao.errors import CallaoError, ConfigError, Problem

Document = dict[str, Any]

_MAX_GIB = 2.0**33
"""GiB: bytes fit into 63 bits, as in Lima."""


def any_given(flags: Mapping[str, Any]) -> bool:
    """Whether any of the flags was given."""
    return any(value not in (None, ()) for value in flags.values())


def edit_by(flags: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Document] | None:
    """The change that the flags make of a document; None when none is given."""
    return (lambda document: apply_flags(document, flags)) if any_given(flags) else None


def apply_flags(document: Mapping[str, Any], flags: Mapping[str, Any]) -> Document:
    """``document`` with the flags applied, ``--set`` last; the document itself stays as it is.

    :raises CallaoError: naming a flag whose value cannot be.
    """
    _contradictions(flags)
    changed: Document = dict(document)
    for name, change in _CHANGES.items():
        value = flags.get(name)
        if value not in (None, ()):
            change(changed, value)
    for expression in flags.get("expressions") or ():
        changed = _applied(expression, changed)
    return changed


def _applied(expression: str, document: Document) -> Document:
    """The document changed by ``--set``, whose language is yq's under limactl's name, and jq's otherwise."""
    if message_style().dialect is not Dialect.LIMACTL:
        return apply_jq(document, expression)
    from callao.config.yq_expression import apply_yq

    return apply_yq(document, expression)


def _contradictions(flags: Mapping[str, Any]) -> None:
    for option in ("mount", "mount_only"):
        if flags.get("mount_none") and flags.get(option):
            raise CallaoError(f"--mount-none and --{option.replace('_', '-')} exclude each other.")
    if flags.get("mount") and flags.get("mount_only"):
        raise CallaoError("--mount and --mount-only exclude each other.")


def entries(document: Mapping[str, Any], key: str) -> list[Any]:
    """The list in the document; a value of another type is a problem of the template."""
    value = document.get(key)
    if value is not None and not isinstance(value, list):
        raise ConfigError([Problem(key, value, "is not a list", "a list")])
    return value or []


def _mapping(document: Document, key: str) -> Document:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise ConfigError([Problem(key, value, "is not a mapping", "a mapping")])
    return dict(value or {})


def _set_field(*path: str) -> Callable[[Document, Any], None]:
    def change(document: Document, value: Any) -> None:
        place = document
        for key in path[:-1]:
            place[key] = _mapping(place, key)
            place = place[key]
        place[path[-1]] = value

    return change


def _gib(key: str) -> Callable[[Document, Any], None]:
    def change(document: Document, value: float) -> None:
        if not 0 < value < _MAX_GIB:
            raise CallaoError(f"--{key}: {value:g} is no size (allowed: GiB above 0, below {_MAX_GIB:g}).")
        document[key] = f"{int(value)}GiB" if value == int(value) else int(value * 2**30)

    return change


def _images_with(key: str) -> Callable[[Document, Any], None]:
    """Keeps the images with this value of ``key``."""
    option = "--image-variant" if key == "variant" else "--arch-variant"

    def change(document: Document, value: str) -> None:
        images = entries(document, "images")
        kept = [each for each in images if value and isinstance(each, dict) and each.get(key) == value]
        if not kept:
            there = {str(each[key]) for each in images if isinstance(each, dict) and each.get(key)}
            raise CallaoError(
                f"{option}: no image of the template has {key} {value!r} "
                f"(existing: {', '.join(sorted(there)) or 'none'})."
            )
        document["images"] = kept

    return change


def _containerd(document: Document, value: str) -> None:
    _set_field("containerd", "user")(document, "user" in value.split("+"))
    _set_field("containerd", "system")(document, "system" in value.split("+"))


def _dns(document: Document, value: tuple[str, ...]) -> None:
    document["dns"] = list(dict.fromkeys([*entries(document, "dns"), *(each.strip() for each in value)]))
    _set_field("hostResolver", "enabled")(document, False)


def _mount(document: Document, value: tuple[str, ...]) -> None:
    new = [_shared(each) for each in value]
    places = {each["location"] for each in new}
    old = [
        each
        for each in entries(document, "mounts")
        if not isinstance(each, dict) or each.get("location") not in places
    ]
    document["mounts"] = [*new, *old]


def _mount_only(document: Document, value: tuple[str, ...]) -> None:
    document["mounts"] = [_shared(each) for each in value]


def _mount_none(document: Document, value: bool) -> None:
    if value:
        document["mounts"] = []


def _mount_writable(document: Document, value: bool) -> None:
    document["mounts"] = [
        {**each, "writable": value} if isinstance(each, dict) else each
        for each in entries(document, "mounts")
    ]


def _shared(text: str) -> Document:
    location = text.removesuffix(":w")
    if not location:
        raise CallaoError(f"--mount: {text!r} is no directory (allowed: DIR[:w]).")
    if not location.startswith(("~", "{{")):
        location = str(Path.cwd() / location)
    return {"location": location, "writable": True} if text.endswith(":w") else {"location": location}


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
    document["networks"] = [*entries(document, "networks"), *kinds]


def _port_forward(document: Document, value: tuple[str, ...]) -> None:
    rules = [_rule(each) for each in value]
    document["portForwards"] = [*rules, *entries(document, "portForwards")]


def _rule(text: str) -> Document:
    ports, _, rest = text.partition(",")
    host, _, guest = (each.strip() for each in ports.partition(":"))
    name, equals, value = rest.strip().partition("=")
    is_rule = not rest or (name == "static" and equals and value in GO_BOOLEANS)
    if not (_is_port(host) and _is_port(guest) and is_rule):
        raise CallaoError(
            f"--port-forward: {text!r} is no rule (allowed: HOST:GUEST[,static=true], ports 1 to 65535)."
        )
    rule: Document = {"guestPort": int(guest), "hostPort": int(host)}
    return {**rule, "static": True} if GO_BOOLEANS.get(value) else rule


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65536


def _rosetta(document: Document, value: bool) -> None:
    _set_field("vmOpts", "vz", "rosetta")(document, {"enabled": value, "binfmt": value})


def _video(document: Document, value: bool) -> None:
    _set_field("video", "display")(document, "default" if value else "none")


def _param(document: Document, value: tuple[str, ...]) -> None:
    for each in value:
        key, equals, text = each.partition("=")
        if not (key and equals):
            raise CallaoError(f"--param: {each!r} is no parameter (allowed: KEY=VALUE).")
        known = _mapping(document, "param")
        if key not in known:
            raise CallaoError(
                f"--param: the template does not define {key!r} (defined: {', '.join(known) or 'none'})."
            )
        _set_field("param", key)(document, text)


def _secret(document: Document, value: tuple[str, ...]) -> None:
    document["secrets"] = with_sources(entries(document, "secrets"), value, "--secret")


def with_sources(before: list[Any], texts: Sequence[str], option: str) -> list[Any]:
    """The entries of ``secrets`` with the sources of ``NAME=FILE`` and ``NAME=env:VAR``.

    :raises CallaoError: for a text of another form, or a source without a value.
    """
    from callao.config.schema import Secret
    from callao.secrets import read_secret

    found = list(before)
    for text in texts:
        name, equals, source = text.partition("=")
        if not (name and equals and source not in ("", "env:")):
            # Not shown: it may be the value itself.
            raise CallaoError(f"{option}: a value is no source (allowed: NAME=FILE, NAME=env:VARIABLE).")
        origin = (
            {"env": source[4:]}
            if source.startswith("env:")
            else {"file": source if source.startswith("~") else str(Path.cwd() / source)}
        )
        read_secret(
            Secret(name=name, file=origin.get("file", ""), env=origin.get("env", "")), os.environ
        )  # an error now, not a notice at the start
        old = next((each for each in found if isinstance(each, dict) and each.get("name") == name), None)
        if old is None:
            found.append({"name": name, **origin})
        else:
            rest = {key: item for key, item in old.items() if key not in ("file", "env")}
            found[found.index(old)] = {**rest, **origin}
    return found


_CHANGES: dict[str, Callable[[Document, Any], None]] = {
    "arch": _set_field("arch"),
    "containerd": _containerd,
    "cpus": _set_field("cpus"),
    "memory": _gib("memory"),
    "disk": _gib("disk"),
    "dns": _dns,
    "mount_none": _mount_none,
    "mount_only": _mount_only,
    "mount": _mount,
    "mount_writable": _mount_writable,
    "mount_inotify": _set_field("mountInotify"),
    "mount_type": _set_field("mountType"),
    "network": _network,
    "port_forward": _port_forward,
    "nested_virt": _set_field("nestedVirtualization"),
    "rosetta": _rosetta,
    "video": _video,
    "plain": _set_field("plain"),
    "ssh_port": _set_field("ssh", "localPort"),
    "vm_type": _set_field("vmType"),
    "audio_device": _set_field("audio", "device"),
    "audio_interface": _set_field("audio", "interface"),
    "user_shell": _set_field("user", "shell"),
    "image_variant": _images_with("variant"),
    "arch_variant": _images_with("archVariant"),
    "param": _param,
    "secret": _secret,
    "warm": _set_field("warm"),
}
