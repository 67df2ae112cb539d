# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid names of instances, users and parameters."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from callao.errors import ConfigError, Problem

_TEMPLATE_SUFFIXES = (".yaml", ".yml")
_INSTANCE = r"[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*"
_USER = r"[a-z_][a-z0-9_-]{0,31}"
_TOLERATED_USER = r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"
_PARAM = r"[A-Za-z][A-Za-z0-9_]*"
"""Compiled when they are first needed, and kept by the module re: quick commands need one of them."""

INSTANCE_ALLOWED = (
    "letters and digits, with single '.', '_' or '-' between them; neither first nor last, at most 76 long"
)
_MAX_INSTANCE_NAME = 76

UNIX_PATH_MAX = 104 if sys.platform == "darwin" else 108
"""See unix(7); with the closing NUL."""

SSH_CONTROL_SUFFIX = 17
"""Characters that ssh(1) puts behind a control path while it makes the socket."""

MAX_USER_NAME = 32
"""Characters of a user's name, see useradd(8)."""

_LONGEST_SOCKET = "/ssh.sock" + "x" * SSH_CONTROL_SUFFIX


def check_name(name: str) -> None:
    """Containerd's identifiers, as Lima takes them for instances.

    :raises ConfigError: when ``name`` isn't one.
    """
    if len(name) > _MAX_INSTANCE_NAME:
        raise ConfigError([Problem("name", name, "is too long for an instance's name", INSTANCE_ALLOWED)])
    if not re.fullmatch(_INSTANCE, name):
        raise ConfigError([Problem("name", name, "cannot be an instance's name", INSTANCE_ALLOWED)])
    if name.lower().endswith(_TEMPLATE_SUFFIXES):
        allowed = f"{INSTANCE_ALLOWED}; neither .yaml nor .yml at its end"
        raise ConfigError([Problem("name", name, "ends as a template's file does", allowed)])


def check_socket_path(instance_dir: Path) -> None:
    """Whether the sockets in the folder have paths that the kernel takes.

    :raises ConfigError: when the longest one has not.
    """
    length = len(str(instance_dir).encode()) + len(_LONGEST_SOCKET)
    if length >= UNIX_PATH_MAX:
        maximum = UNIX_PATH_MAX - len(_LONGEST_SOCKET) - 1
        raise ConfigError(
            [
                Problem(
                    "name", instance_dir.name, f"the path {instance_dir} is too long for unix sockets",
                    f"at most {maximum} bytes: choose a shorter name, or a shorter LIMA_HOME",
                )
            ]
        )  # fmt: skip


def check_hostname(name: str) -> None:
    """Whether the guest can be called as :func:`hostname_of` says.

    :raises ConfigError: when its host name would be longer than the kernel's and DNS's 63 characters.
    """
    maximum = 63 - len(hostname_of(""))
    if len(name) > maximum:
        message = f"makes a host name of more than 63 characters ({hostname_of(name)})"
        raise ConfigError([Problem("name", name, message, f"at most {maximum} characters")])


def is_instance_name(name: str) -> bool:
    """Whether an instance, or a disk, could be called so."""
    return len(name) <= _MAX_INSTANCE_NAME and bool(re.fullmatch(_INSTANCE, name))


def is_hostname(text: str) -> bool:
    """Whether it is one label of RFC 1123."""
    return bool(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text, re.ASCII))


def hostname_of(name: str, given: str = "") -> str:
    """The guest's: ``given``, or as Lima has it: ``lima-NAME``, with what no host name may have turned to
    ``-``.
    """
    if given:
        return given
    return f"lima-{name}".replace(".", "-").replace("_", "-")


def is_user_name(name: str) -> bool:
    """Whether Debian's useradd and Fedora's alike would take it."""
    return bool(re.fullmatch(_USER, name))


def is_tolerated_user(name: str) -> bool:
    """Whether useradd makes such a user when told to: Debian's and Fedora's take capitals and dots."""
    return bool(re.fullmatch(_TOLERATED_USER, name))


def is_guest_user(name: str) -> bool:
    """Whether a user of the host may be called the same in a guest; Ubuntu and others have a group
    ``admin``, with which useradd's group of the user's own name would clash.
    """
    return is_user_name(name) and name != "admin"


def is_parameter_name(name: str) -> bool:
    """Whether a parameter could be called so, and with ``PARAM_`` before it a shell variable."""
    return bool(re.fullmatch(_PARAM, name))
