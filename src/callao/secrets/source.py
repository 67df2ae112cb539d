# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the value of a secret from its source on the host: a file, or an environment variable."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from callao.config.schema import Secret
from callao.errors import CallaoError
from callao.host import expand_user
from callao.secrets.value import LONGEST, SecretValue


class SecretUnavailable(CallaoError):
    """A secret's source that has no value. Its text never has a part of one."""


def source_of(secret: Secret) -> str:
    """The source in words; empty for a secret without one."""
    if secret.file:
        return f"the file {secret.file}"
    return f"the environment variable {secret.env}" if secret.env else ""


def read_secret(secret: Secret, environment: Mapping[str, str]) -> SecretValue | None:
    """The value; None for a secret without a source.

    :raises SecretUnavailable: naming the secret, its source, and what is wrong with that.
    """
    try:
        data = _read(secret, environment)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SecretUnavailable(f"secrets: {secret.name}: {source_of(secret)}: {reason}.") from None
    return None if data is None else checked(secret.name, data, source_of(secret))


def checked(name: str, data: bytes, source: str) -> SecretValue:
    """:raises SecretUnavailable: for a value that is empty or too long."""
    if not data:
        raise SecretUnavailable(f"secrets: {name}: {source} is empty (allowed: 1 to {LONGEST} bytes).")
    if len(data) > LONGEST:
        raise SecretUnavailable(f"secrets: {name}: {source} is too long (allowed: 1 to {LONGEST} bytes).")
    return SecretValue(data)


def _read(secret: Secret, environment: Mapping[str, str]) -> bytes | None:
    if secret.env:
        if secret.env not in environment:
            raise ValueError("it is not set")
        return environment[secret.env].encode("utf-8", "surrogateescape")
    if not secret.file:
        return None
    # Not waited for: a pipe's writer may never come, and what it says could not be read again.
    descriptor = os.open(expand_user(secret.file), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file, which could be read again at the next start")
        data: bytes = file.read(LONGEST + 1)
    return data
