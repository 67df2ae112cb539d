# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules between fields, and between the file and this host. Reports every problem.

The input has defaults filled in and templates expanded. Drivers validate what they do not support
themselves.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from callao.architectures import ARCHITECTURES, lima_name
from callao.config import rules_network as network
from callao.config.lima_version import LIMA_VERSION
from callao.config.names import (
    INSTANCE_ALLOWED,
    is_hostname,
    is_instance_name,
    is_parameter_name,
    is_tolerated_user,
)
from callao.config.rules_files import files
from callao.config.rules_scripts import probes, provision
from callao.config.rules_secrets import secrets
from callao.config.schema import Arch
from callao.errors import Problem

_HOSTNAME = "letters, digits and '-', at most 63 of them, neither first nor last a '-'"

Document = Mapping[str, Any]
Problems = Iterator[Problem]

_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)
_FS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SYSTEM_PATHS = frozenset(
    ("/", "/bin", "/dev", "/etc", "/home", "/opt", "/root", "/sbin", "/tmp", "/usr", "/var")  # noqa: S108
)
_VERSION_EXAMPLE = "three numbers with dots, such as 2.0.0"
_WINDOWS_SHELLS = ("cmd.exe", "powershell.exe", "pwsh.exe")
_WINDOWS_ARCHES = (Arch.X86_64, Arch.AARCH64)
_TPM_ARCHES = (Arch.X86_64, Arch.AARCH64, Arch.ARMV7L, Arch.RISCV64)
_NOT_IN_WINDOWS = ("ansible", "boot", "yq")


def rule_problems(filled: Document, *, given: Document, sockets: Path) -> list[Problem]:
    """A problem for every rule that ``filled`` breaks.

    :param given: the document before defaults.
    :param sockets: the folder of host sockets whose paths are relative.
    """
    everything = {**filled, "_given": given, "_sockets": str(sockets)}
    return [problem for rule in _RULES for problem in rule(everything)]


def _hostname(filled: Document) -> Problems:
    given = filled["_given"].get("hostname")
    if given and not is_hostname(given):
        yield Problem("hostname", given, "cannot be a host name", _HOSTNAME)


def _base(filled: Document) -> Problems:
    base = filled["_given"].get("base")
    if base:
        yield Problem("base", base, "is not resolved", "base in a template only, which is resolved before")


def _mounts(filled: Document) -> Problems:
    home = filled["user"]["home"]
    for index, mount in enumerate([] if filled.get("plain") else filled["mounts"]):
        place = f"mounts[{index}]"
        location, point = mount["location"], mount["mountPoint"]
        if not location:
            yield Problem(f"{place}.location", location, "is missing", "an absolute path, or one below ~")
        elif not location.startswith("/"):
            yield Problem(
                f"{place}.location", location, "is not absolute", "an absolute path, or one below ~"
            )
        elif (words := _not_a_directory(location)) is not None:
            yield Problem(f"{place}.location", location, words, "a directory, or a path where none is yet")
        if point != location and not point.startswith("/"):
            yield Problem(f"{place}.mountPoint", point, "is not absolute", "an absolute path in the guest")
        elif point and posixpath.normpath(f"/{point.lstrip('/')}") in (_SYSTEM_PATHS | {home}):
            yield Problem(
                f"{place}.mountPoint", point, "would cover the guest's own directory", "a directory below it"
            )
    if filled["mountType"] in filled.get("mountTypesUnsupported", []):
        yield Problem("mountType", filled["mountType"], "is among mountTypesUnsupported", "another type")
    if filled["mountType"] == "wsl2" and filled["vmType"] == "qemu":
        allowed = "reverse-sshfs, 9p, virtiofs"
        yield Problem("mountType", filled["mountType"], "is not one of vmType qemu", allowed)


def _not_a_directory(location: str) -> str | None:
    try:
        return None if stat.S_ISDIR(Path(location).stat().st_mode) else "is not a directory"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return f"is not accessible ({getattr(error, 'strerror', None) or error})"


def _disks(filled: Document) -> Problems:
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


def _user(filled: Document) -> Problems:
    user = filled["user"]
    if not is_tolerated_user(user["name"]):
        allowed = "a letter, digit or _, then at most 31 of those, '.' and '-'; not digits alone"
        yield Problem("user.name", user["name"], "cannot be a user's name", allowed)
    if user["name"] == "root" or user["uid"] == 0:
        yield Problem("user.uid", user["uid"], "is root's", "an ordinary user: name not root, uid not 0")
    if not user["home"].startswith("/"):
        yield Problem("user.home", user["home"], "is not absolute", "an absolute path in the guest")
    if filled["os"] == "Windows":
        if re.split(r"[/\\]", user["shell"])[-1].lower() not in _WINDOWS_SHELLS:
            yield Problem("user.shell", user["shell"], "is no shell of Windows", ", ".join(_WINDOWS_SHELLS))
    elif not user["shell"].startswith("/"):
        yield Problem("user.shell", user["shell"], "is not absolute", "an absolute path in the guest")
    if ":" in user["comment"] or "\n" in user["comment"]:
        yield Problem(
            "user.comment", user["comment"], "cannot stand in passwd(5)", "text without ':' and newline"
        )
    yield from _sudo(filled, user["passwordlessSudo"])


def _sudo(filled: Document, passwordless: bool) -> Problems:
    place = "user.passwordlessSudo"
    if filled["os"] == "Darwin":
        if passwordless:
            yield Problem(place, True, "is not for a guest of macOS", "false")
    elif not passwordless and filled["vmType"] == "wsl2":
        yield Problem(place, False, "is not for vmType wsl2", "true")
    elif not passwordless and not filled.get("plain"):
        yield Problem(place, False, "needs plain: true", "true, or plain: true")


def _system(filled: Document) -> Problems:
    """Fields that are not available for the guest's operating system or architecture."""
    arch = filled["arch"]
    if filled.get("tpm") and arch not in _TPM_ARCHES:
        yield Problem("tpm", True, f"is not for arch {arch}", ", ".join(_TPM_ARCHES))
    if filled["os"] != "Windows":
        return
    if filled["vmType"] != "qemu":
        yield Problem("vmType", filled["vmType"], "has no Windows guests", "qemu")
    if arch not in _WINDOWS_ARCHES:
        yield Problem("arch", arch, "has no Windows guests", ", ".join(_WINDOWS_ARCHES))
    for index, entry in enumerate(filled["provision"]):
        if entry["mode"] in _NOT_IN_WINDOWS:
            yield Problem(
                f"provision[{index}].mode", entry["mode"], "is not for a Windows guest", "system, user"
            )


def _binfmt(filled: Document) -> Problems:
    for index, name in enumerate(filled.get("binfmt") or ()):
        if lima_name(name) not in ARCHITECTURES:
            others = (other for each in ARCHITECTURES.values() for other in each.others)
            yield Problem(
                f"binfmt[{index}]", name, "is not an architecture", ", ".join([*ARCHITECTURES, *others])
            )


def _parameters(filled: Document) -> Problems:
    for key, value in filled["param"].items():
        if not is_parameter_name(key):
            yield Problem(
                f"param.{key}", key, "is not an identifier", "a letter, then letters, digits and _"
            )
        elif not value.replace("\t", "").isprintable():
            yield Problem(f"param.{key}", value, "is not printable", "printable characters")


def _environment(filled: Document) -> Problems:
    for key in filled["env"]:
        if key and not _ENV.fullmatch(key):
            yield Problem(
                f"env.{key}", key, "cannot be a variable", "letters, digits, _, . and -, no digit first"
            )


def _qemu(filled: Document) -> Problems:
    minimum = ((filled.get("vmOpts") or {}).get("qemu") or {}).get("minimumVersion")
    if minimum is not None and filled["vmType"] == "qemu" and not _VERSION.fullmatch(minimum):
        yield Problem("vmOpts.qemu.minimumVersion", minimum, "is not a version", _VERSION_EXAMPLE)


def _version(filled: Document) -> Problems:
    from callao.config.versions import version

    minimum = filled.get("minimumLimaVersion")
    if minimum is not None and not _VERSION.fullmatch(minimum.removeprefix("v").partition("-")[0]):
        yield Problem("minimumLimaVersion", minimum, "is not a version", _VERSION_EXAMPLE)
    elif minimum and version(minimum) > version(LIMA_VERSION):
        yield Problem(
            "minimumLimaVersion", minimum, "is newer than what Callao follows", f"at most {LIMA_VERSION}"
        )


def _prefix(filled: Document) -> Problems:
    prefix = filled.get("guestInstallPrefix", "/usr/local")
    if not prefix.startswith("/"):
        yield Problem("guestInstallPrefix", prefix, "is not absolute", "an absolute path in the guest")


_RULES: tuple[Callable[[Document], Problems], ...] = (
    _version, _base, _hostname, files, _qemu, _system, _mounts, _disks, _user, provision, probes,
    network.forwards, network.copies, network.networks, network.resolver, network.egress, secrets,
    _environment, _binfmt, _parameters, _prefix,
)  # fmt: skip
