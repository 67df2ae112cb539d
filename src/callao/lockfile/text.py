# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a lock file strictly, and writes it sorted, which keeps diffs small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.atomic import write_file
from callao.config import dump, load
from callao.errors import ConfigError, LockError
from callao.host import expand_user
from callao.lockfile.model import VERSION, Lock

_HEADING = """\
# What every template stood for when it was locked. Made by 'callao lock'; change it with
# 'callao lock --update', and keep it in version control.
"""
_RECREATE = "Take it from version control, or remove it and run 'callao lock'."


@dataclass(frozen=True)
class LockFile:
    """A lock and its path: paths in it are relative to its folder."""

    path: Path
    lock: Lock

    @property
    def folder(self) -> Path:
        return self.path.parent


def read(path: Path) -> LockFile:
    """Read the lock file ``path``.

    :raises LockError: when it does not exist, or is invalid.
    """
    path = expand_user(str(path)).absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LockError(
            f"lock: there is no file {path}.",
            hint=f"Make it with 'callao lock --file {path.name} TEMPLATE…'.",
        ) from None
    except OSError as error:
        raise LockError(f"lock: {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise LockError(f"lock: {path} is not text.", hint=_RECREATE) from None
    return LockFile(path, parse(text, str(path)))


def parse(text: str, source: str) -> Lock:
    """Parse a lock file's text.

    :raises LockError: with the invalid field.
    """
    try:
        document = load(text, source)
    except ConfigError as error:
        raise LockError(f"lock: {error}", hint=_RECREATE) from error
    version = document.get("version")
    if version != VERSION:
        raise LockError(
            f"lock: {source}: version: {version!r} is not known (allowed: {VERSION}).",
            hint="Use the Callao that made it, or remove it and run 'callao lock'.",
        )
    try:
        return msgspec.convert(document, Lock)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `")
        place = where.rstrip("`").removeprefix("$.")
        told = f"{place}: {what[:1].lower()}{what[1:]}" if place else what
        raise LockError(f"lock: {source}: {told}.", hint=_RECREATE) from error


def render(lock: Lock) -> str:
    """The file's text, which depends on nothing but the lock."""
    images_sorted = {
        key: msgspec.structs.replace(template, images=dict(sorted(template.images.items())))
        for key, template in sorted(lock.templates.items())
    }
    document = msgspec.to_builtins(msgspec.structs.replace(lock, templates=images_sorted))
    return _HEADING + dump(document)


def write(path: Path, lock: Lock) -> None:
    """Replace the file atomically.

    :raises LockError: when it cannot be written.
    """
    try:
        write_file(path, render(lock).encode())
    except OSError as error:
        raise LockError(f"lock: {path} cannot be written: {error.strerror or error}.") from error
