# SPDX-License-Identifier: GPL-3.0-or-later
"""Any disk image into a qcow2 that stands for itself; what is no disk image is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from callao.errors import ImageError, ImageFormatError
from callao.images.decompress import compression_of, decompress

_MAGIC = b"QFI\xfb"
_SECTOR = 512
_TEXT = (b"<!doc", b"<html", b"<?xml", b"{", b"#!")


def is_qcow2(path: Path) -> bool:
    """By its first bytes."""
    with path.open("rb") as file:
        return file.read(4) == _MAGIC


def usable_as_is(path: Path) -> bool:
    """Whether a file can be a base without a copy: qcow2, not compressed as a whole.

    :raises ImageFormatError: for a qcow2 that would read other files of this host.
    """
    if not is_qcow2(path):
        return False
    refuse_references(path)
    return True


def refuse_references(path: Path) -> None:
    """A downloaded image must not name files of this host as its backing or data file.

    :raises ImageFormatError: when it does, or when its header is damaged.
    """
    said = _info(path, "qcow2")
    data_file = (said.get("format-specific") or {}).get("data", {}).get("data-file")
    other = said.get("backing-filename") or data_file
    if other:
        raise ImageFormatError(
            f"{path} refers to another file, {other!r}, and an image must stand for itself.",
            hint="Flatten it: qemu-img convert -O qcow2 IN OUT",
        )


def to_qcow2(source: Path, target: Path, location: str) -> None:
    """Make ``target``, whole or not at all; compressed files are unpacked first.

    :param location: what people call the source.
    :raises ImageFormatError: when it is no disk image.
    :raises OSError: when there is no room for it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=target.parent) as folder:
        kind = compression_of(source)
        raw = source
        if kind is not None:
            raw = Path(folder) / "unpacked"
            decompress(source, raw, kind, location)
        done = Path(folder) / "disk.qcow2"
        if is_qcow2(raw):
            refuse_references(raw)
            raw.replace(done) if raw != source else shutil.copyfile(raw, done)
        else:
            _convert(raw, done, location)
        done.chmod(0o444)
        done.replace(target)


def _convert(raw: Path, done: Path, location: str) -> None:
    form = _format(raw, location)
    argv = [_program(), "convert", "-f", form, "-O", "qcow2", str(raw), str(done)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if os.strerror(errno.ENOSPC) in result.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if result.returncode != 0:
        raise ImageFormatError(f"{location} cannot be converted to qcow2: {result.stderr.strip()}")


def _format(raw: Path, location: str) -> str:
    """The format by qemu-img's own look; for raw, what it takes for one must look like a disk."""
    said = str(_info(raw, None).get("format", "raw"))
    if said != "raw":
        return said
    with raw.open("rb") as file:
        head = file.read(_SECTOR)
    size = raw.stat().st_size
    if head[:64].lstrip().lower().startswith(_TEXT) or size % _SECTOR or size < 2 * _SECTOR:
        what = (
            "a page of text"
            if head[:64].lstrip()[:1] in (b"<", b"{", b"#")
            else f"{size} bytes of something else"
        )
        raise ImageFormatError(
            f"{location} is no disk image: it is {what}.", hint="Check the location; a login page is common."
        )
    return "raw"


def _info(path: Path, form: str | None) -> dict[str, Any]:
    argv = [_program(), "info", "--output=json", *(["-f", form] if form else []), str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageFormatError(f"{path} is a damaged image: {done.stderr.strip()}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _program() -> str:
    program = shutil.which("qemu-img")
    if program is None:
        raise ImageError("qemu-img is not on PATH.", hint="Install it (Debian: qemu-utils).")
    return program
