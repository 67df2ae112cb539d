# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seed as an ISO 9660 image, which cloud-init's NoCloud finds by its volume id."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from callao.atomic import Durability, replacing

VOLUME_ID = "cidata"

_DIRECTORY = stat.S_IFDIR | 0o500
_SCRIPT = stat.S_IFREG | 0o500
_DATA = stat.S_IFREG | 0o400


def write_iso(content: Mapping[str, bytes], path: Path, files: Mapping[str, Path] | None = None) -> None:
    """Write the image to ``path`` atomically, readable by its owner only, because it contains keys.

    It is not flushed, because each boot writes it again.

    File names are in the Rock Ridge and Joliet extensions; the ISO 9660 names are numbers.

    :param files: files of this host by their names on the image, which are not read into memory.
    :raises OSError: when it cannot be written.
    """
    with replacing(path, Durability.REBOOT_ENDS_IT) as fresh, contextlib.ExitStack() as opened:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            sources: dict[str, tuple[BinaryIO, int]] = {
                name: (BytesIO(data), len(data)) for name, data in content.items()
            }
            for name, source in (files or {}).items():
                sources[name] = opened.enter_context(source.open("rb")), source.stat().st_size
            image = _image(sources)
            try:
                image.write_fp(file)
            finally:
                image.close()


def _image(sources: Mapping[str, tuple[BinaryIO, int]]) -> Any:
    from pycdlib import PyCdlib  # a large module that only starts need

    image = PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    folders: dict[str, str] = {"": ""}
    for number, (name, (data, size)) in enumerate(sorted(sources.items())):
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = f"/D{len(folders):07d}"
            image.add_directory(
                folders[folder], rr_name=folder, joliet_path=f"/{folder}", file_mode=_DIRECTORY
            )
        image.add_fp(
            data,
            size,
            f"{folders[folder]}/F{number:07d}.;1",
            rr_name=base,
            joliet_path=f"/{name}",
            file_mode=_mode(name),
        )
    return image


def _mode(name: str) -> int:
    return _SCRIPT if is_script(name) else _DATA


def is_script(name: str) -> bool:
    """Whether a file of the seed is run."""
    return name.endswith(".sh") or (name.startswith("provision.") and not name.startswith("provision.data/"))
