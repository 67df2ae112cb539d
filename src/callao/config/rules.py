# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold beyond shape: between fields, and between the file and this host. Tells all at once.

Input is filled and expanded. Whatever a driver cannot do is the driver's to say.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from callao.config.names import INSTANCE_ALLOWED, is_identifier, is_instance_name, is_user_name
from callao.config.rules_files import files
from callao.config.rules_network import copies, forwards, networks, resolver
from callao.config.rules_scripts import probes, provision
from callao.config.schema import Arch
from callao.errors import Problem

Document = Mapping[str, Any]
Found = Iterator[Problem]

LIMA_VERSION = "2.1.0"
"""The Lima whose lima.yaml this is; ``minimumLimaVersion`` is compared with it. Each instance's lima-version
says so, too: Lima's own tools fill in that version's defaults, such as where the user's home is."""

_VERSION = re.compile(r"v?\d+(\.\d+){0,2}([-+].*)?")
_FS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SYSTEM_PATHS = frozenset(
    ("/", "/bin", "/dev", "/etc", "/home", "/opt", "/root", "/sbin", "/tmp", "/usr", "/var")  # noqa: S108
)
_A_VERSION = "up to three numbers with dots, such as 2.0.0"
_ARCHES = ", ".join(str(each) for each in Arch)


def rule_problems(filled: Document, *, given: Document, used: set[str], sockets: Path) -> list[Problem]:
    """Every rule that ``filled`` breaks.

    :param given: the document before its defaults.
    :param used: the parameters that its strings name.
    :param sockets: where relative sockets of the host will be.
    """
    everything = {**filled, "_given": given, "_used": used, "_sockets": str(sockets)}
    return [problem for rule in _RULES for problem in rule(everything)]


def _base(filled: Document) -> Found:
    base = filled["_given"].get("base")
    if base:
        yield Problem("base", base, "is still to be taken in", "a template's, which is resolved before")


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
        elif point and posixpath.normpath(f"/{point.lstrip('/')}") in (_SYSTEM_PATHS | {home}):
            yield Problem(
                f"{place}.mountPoint", point, "would cover the guest's own directory", "a directory below it"
            )
    if filled["mountType"] in filled.get("mountTypesUnsupported", []):
        yield Problem("mountType", filled["mountType"], "is among mountTypesUnsupported", "another type")


def _disks(filled: Document) -> Found:
    for index, disk in enumerate(filled["additionalDisks"]):
        if not disk.get("name"):
            yield Problem(f"additionalDisks[{index}].name", disk.get("name"), "is missing", "a disk's name")
        elif not is_instance_name(disk["name"]):
            yield Problem(
                f"additionalDisks[{index}].name", disk["name"], "cannot be a disk's name", INSTANCE_ALLOWED
            )
        kind = disk.get("fsType")
        if kind and not _FS_TYPE.fullmatch(kind):
            yield Problem(
                f"additionalDisks[{index}].fsType", kind, "cannot be a file system", "such as ext4 or xfs"
            )


def _user(filled: Document) -> Found:
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
    if not filled["param"]:
        return
    everything = repr({key: value for key, value in filled.items() if key not in ("param", "env")})
    for key, value in filled["param"].items():
        if not is_identifier(key):
            yield Problem(
                f"param.{key}", key, "is not an identifier", "letters, digits and _, no digit first"
            )
        elif not value.replace("\t", "").isprintable():
            yield Problem(f"param.{key}", value, "is not printable", "printable characters")
        elif f"PARAM_{key}" not in everything and key not in filled.get("_used", ()):
            yield Problem(
                f"param.{key}", value, "is used nowhere", f"used as PARAM_{key} or {{{{.Param.{key}}}}}"
            )


def _environment(filled: Document) -> Found:
    for key in filled["env"]:
        if not _ENV.fullmatch(key):
            yield Problem(
                f"env.{key}", key, "cannot be a variable", "letters, digits, _, . and -, no digit first"
            )


def _cpu_types(filled: Document) -> Found:
    tables = {"cpuType": filled.get("cpuType") or {}}
    tables["vmOpts.qemu.cpuType"] = ((filled.get("vmOpts") or {}).get("qemu") or {}).get("cpuType") or {}
    least = ((filled.get("vmOpts") or {}).get("qemu") or {}).get("minimumVersion")
    if least and not _VERSION.fullmatch(least):
        yield Problem("vmOpts.qemu.minimumVersion", least, "is not a version", _A_VERSION)
    for place, table in tables.items():
        for arch in table:
            if arch not in set(Arch):
                yield Problem(f"{place}.{arch}", arch, "is not an architecture", _ARCHES)


def _version(filled: Document) -> Found:
    from callao.config.merge import version

    least = filled.get("minimumLimaVersion")
    if least and not _VERSION.fullmatch(least):
        yield Problem("minimumLimaVersion", least, "is not a version", _A_VERSION)
    elif least and version(least) > version(LIMA_VERSION):
        yield Problem(
            "minimumLimaVersion", least, "is newer than what Callao follows", f"at most {LIMA_VERSION}"
        )


def _prefix(filled: Document) -> Found:
    prefix = filled.get("guestInstallPrefix", "/usr/local")
    if not prefix.startswith("/"):
        yield Problem("guestInstallPrefix", prefix, "is not absolute", "an absolute path in the guest")


_RULES: tuple[Callable[[Document], Found], ...] = (
    _version, _base, files, _cpu_types, _mounts, _disks, _user, provision, probes, forwards, copies,
    networks, resolver, _environment, _parameters, _prefix,
)  # fmt: skip
