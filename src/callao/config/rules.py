# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold beyond shape: between fields, and between the file and this host. Tells all at once.

Input is filled and expanded. Whatever a driver cannot do is the driver's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from callao.config.rules_network import forwards, networks, resolver
from callao.config.rules_scripts import probes, provision
from callao.config.schema import Arch
from callao.errors import Problem

Document = Mapping[str, Any]
Found = Iterator[Problem]

LIMA_VERSION = "2.1.0"
"""The Lima whose lima.yaml this is; ``minimumLimaVersion`` is compared with it."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_SYSTEM_PATHS = frozenset(
    ("/", "/bin", "/dev", "/etc", "/home", "/opt", "/root", "/sbin", "/tmp", "/usr", "/var")  # noqa: S108
)
_ARCHES = ", ".join(str(each) for each in Arch)


def rule_problems(filled: Document) -> list[Problem]:
    """Every rule that ``filled`` breaks."""
    return [problem for rule in _RULES for problem in rule(filled)]


def _images(filled: Document) -> Found:
    if not filled["images"]:
        yield Problem("images", [], "is empty", "at least one image")
    for index, image in enumerate(filled["images"]):
        place = f"images[{index}]"
        yield from _file(image, place)
        for part in ("kernel", "initrd"):
            inner = image.get(part)
            if inner is None:
                continue
            yield from _file(inner, f"{place}.{part}")
            if inner.get("arch") not in (None, image.get("arch")):
                yield Problem(
                    f"{place}.{part}.arch", inner["arch"], "is not the image's arch", str(image.get("arch"))
                )
        if image.get("initrd") and not image.get("kernel"):
            yield Problem(f"{place}.initrd", image["initrd"], "needs a kernel", "kernel and initrd together")
    for index, image in enumerate((filled.get("firmware") or {}).get("images", [])):
        yield from _file(image, f"firmware.images[{index}]")


def _file(file: Document, place: str) -> Found:
    if not file.get("location"):
        yield Problem(f"{place}.location", file.get("location"), "is missing", "a URL or a path")
    digest = file.get("digest")
    if digest and not _DIGEST.fullmatch(digest):
        yield Problem(
            f"{place}.digest", digest, "is not a digest", "sha256: or sha512: and that many hex digits"
        )


def _mounts(filled: Document) -> Found:
    home = filled["user"]["home"]
    for index, mount in enumerate(filled["mounts"]):
        place = f"mounts[{index}]"
        location, point = mount["location"], mount["mountPoint"]
        if not location:
            yield Problem(f"{place}.location", location, "is missing", "an absolute path, or one below ~")
        elif not location.startswith("/"):
            yield Problem(
                f"{place}.location", location, "is not absolute", "an absolute path, or one below ~"
            )
        if point != location and not point.startswith("/"):
            yield Problem(f"{place}.mountPoint", point, "is not absolute", "an absolute path in the guest")
        elif point and (point.rstrip("/") or "/") in (_SYSTEM_PATHS | {home}):
            yield Problem(
                f"{place}.mountPoint", point, "would cover the guest's own directory", "a directory below it"
            )
    if filled["mountType"] in filled.get("mountTypesUnsupported", []):
        yield Problem("mountType", filled["mountType"], "is among mountTypesUnsupported", "another type")


def _disks(filled: Document) -> Found:
    for index, disk in enumerate(filled["additionalDisks"]):
        if not disk.get("name"):
            yield Problem(f"additionalDisks[{index}].name", disk.get("name"), "is missing", "a disk's name")


def _user(filled: Document) -> Found:
    from callao.config.names import is_user_name

    user = filled["user"]
    if not is_user_name(user["name"]):
        allowed = "a lower-case letter or _, then at most 31 of a-z, 0-9, _ and -"
        yield Problem("user.name", user["name"], "cannot be a user's name", allowed)
    if user["name"] == "root" or user["uid"] == 0:
        yield Problem("user.uid", user["uid"], "is root's", "an ordinary user: name not root, uid not 0")
    for key in ("home", "shell"):
        if not user.get(key, "/").startswith("/"):
            yield Problem(f"user.{key}", user[key], "is not absolute", "an absolute path in the guest")
    if ":" in user["comment"] or "\n" in user["comment"]:
        yield Problem(
            "user.comment", user["comment"], "cannot stand in passwd(5)", "text without ':' and newline"
        )
    if user.get("passwordlessSudo") is False and not filled.get("plain"):
        yield Problem("user.passwordlessSudo", False, "needs plain: true", "true, or plain: true")


def _parameters(filled: Document) -> Found:
    from callao.config.names import is_identifier

    if not filled["param"]:
        return
    everything = repr({key: value for key, value in filled.items() if key not in ("param", "env")})
    for key, value in filled["param"].items():
        if not is_identifier(key):
            yield Problem(
                f"param.{key}", key, "is not an identifier", "letters, digits and _, no digit first"
            )
        elif not value.isprintable():
            yield Problem(f"param.{key}", value, "is not printable", "printable characters")
        elif f"PARAM_{key}" not in everything and key not in filled.get("_used", ()):
            yield Problem(
                f"param.{key}", value, "is used nowhere", f"used as PARAM_{key} or {{{{.Param.{key}}}}}"
            )


def _cpu_types(filled: Document) -> Found:
    tables = {"cpuType": filled.get("cpuType") or {}}
    tables["vmOpts.qemu.cpuType"] = ((filled.get("vmOpts") or {}).get("qemu") or {}).get("cpuType") or {}
    for place, table in tables.items():
        for arch in table:
            if arch not in set(Arch):
                yield Problem(f"{place}.{arch}", arch, "is not an architecture", _ARCHES)


def _version(filled: Document) -> Found:
    from callao.config.merge import version

    least = filled.get("minimumLimaVersion")
    if least and version(least) > version(LIMA_VERSION):
        yield Problem(
            "minimumLimaVersion", least, "is newer than what Callao follows", f"at most {LIMA_VERSION}"
        )


def _prefix(filled: Document) -> Found:
    prefix = filled.get("guestInstallPrefix", "/usr/local")
    if not prefix.startswith("/"):
        yield Problem("guestInstallPrefix", prefix, "is not absolute", "an absolute path in the guest")


_RULES: tuple[Callable[[Document], Found], ...] = (
    _version, _images, _cpu_types, _mounts, _disks, _user, provision, probes, forwards, networks,
    resolver, _parameters, _prefix,
)  # fmt: skip
