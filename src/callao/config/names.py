# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid names of instances, users and parameters."""

from __future__ import annotations

import re
from pathlib import Path

from callao.errors import ConfigError, Problem
from callao.system import UNIX_PATH_MAX

_TEMPLATE_SUFFIXES = (".yaml", ".yml")
_INSTANCE = r"[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*"
_USER = r"[a-z_][a-z0-9_-]{0,31}"
_TOLERATED_USER = r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"
_PARAM = r"[A-Za-z][A-Za-z0-9_]*"
"""Not compiled at import: quick commands need one of these patterns, and the module re caches it."""

INSTANCE_ALLOWED = (
    "letters and digits, with single '.', '_' or '-' between them; neither first nor last, at most 76 long"
)
_MAX_INSTANCE_NAME = 76

SSH_CONTROL_SUFFIX = 17
"""Characters that ssh(1) appends to a control path while it creates the socket."""

MAX_USER_NAME = 32
"""Characters of a user's name, see useradd(8)."""

_LONGEST_SOCKET = "/ssh.sock" + "x" * SSH_CONTROL_SUFFIX


def check_name(name: str) -> None:
    """Check an instance's name: containerd's rules for identifiers, as in Lima.

    :raises ConfigError: when ``name`` is invalid.
    """
    if len(name) > _MAX_INSTANCE_NAME:
        raise ConfigError([Problem("name", name, "is too long for an instance's name", INSTANCE_ALLOWED)])
    if not re.fullmatch(_INSTANCE, name):
        raise ConfigError([Problem("name", name, "cannot be an instance's name", INSTANCE_ALLOWED)])
    if is_template_file(name):
        allowed = f"{INSTANCE_ALLOWED}; neither .yaml nor .yml at its end"
        raise ConfigError([Problem("name", name, "ends as a template's file does", allowed)])


def check_socket_path(instance_dir: Path) -> None:
    """Check that the paths of the sockets in the folder are short enough for the kernel.

    :raises ConfigError: when the longest path is too long.
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
    """Check the length of the host name that :func:`hostname_of` makes of ``name``.

    :raises ConfigError: when it has more than 63 characters, the limit of the kernel and of DNS.
    """
    maximum = 63 - len(hostname_of(""))
    if len(name) > maximum:
        message = f"makes a host name of more than 63 characters ({hostname_of(name)})"
        raise ConfigError([Problem("name", name, message, f"at most {maximum} characters")])


def is_instance_name(name: str) -> bool:
    """Whether the text is a valid name of an instance or a disk."""
    return len(name) <= _MAX_INSTANCE_NAME and bool(re.fullmatch(_INSTANCE, name))


def is_template_file(name: str) -> bool:
    """Whether the text ends as the name of a template's file does, and therefore names no instance."""
    return name.lower().endswith(_TEMPLATE_SUFFIXES)


def is_hostname(text: str) -> bool:
    """Whether the text is a label as in RFC 1123."""
    return bool(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text, re.ASCII))


def hostname_of(name: str, given: str = "") -> str:
    """The guest's host name: ``given``, or Lima's ``lima-NAME``, in which invalid characters become
    ``-``."""
    if given:
        return given
    return f"lima-{name}".replace(".", "-").replace("_", "-")


def is_user_name(name: str) -> bool:
    """Whether useradd of Debian and of Fedora accepts the name by default."""
    return bool(re.fullmatch(_USER, name))


def is_tolerated_user(name: str) -> bool:
    """Whether useradd accepts the name with ``--badname``: capitals and dots are allowed then."""
    return bool(re.fullmatch(_TOLERATED_USER, name))


def is_guest_user(name: str) -> bool:
    """Whether the host user's name can be used in a guest. ``admin`` cannot: Ubuntu and others have a group
    of that name, and useradd could not create the user's own group.
    """
    return is_user_name(name) and name != "admin"


def is_parameter_name(name: str) -> bool:
    """Whether the text is a valid parameter name, so that ``PARAM_NAME`` is a valid shell variable."""
    return bool(re.fullmatch(_PARAM, name))
