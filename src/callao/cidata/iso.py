# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seed as an ISO 9660 image, which cloud-init's NoCloud finds by its volume id."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from callao.atomic import write_volatile

VOLUME_ID = "cidata"

_DIRECTORY = stat.S_IFDIR | 0o500
_SCRIPT = stat.S_IFREG | 0o500
_DATA = stat.S_IFREG | 0o400


def write_iso(content: Mapping[str, bytes], path: Path) -> None:
    """Write the image to ``path`` atomically, readable by its owner only, because it contains keys.

    It is not flushed, because each boot writes it again.

    File names are in the Rock Ridge and Joliet extensions; the ISO 9660 names are numbers.

    :raises OSError: when it cannot be written.
    """
    file = BytesIO()
    image = _image(content)
    try:
        image.write_fp(file)
    finally:
        image.close()
    write_volatile(path, file.getvalue(), mode=0o600)


def _image(content: Mapping[str, bytes]) -> Any:
    from pycdlib import PyCdlib  # a large module that only starts need

    image = PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    folders: dict[str, str] = {"": ""}
    for number, (name, data) in enumerate(sorted(content.items())):
        folder, _, base = name.rpartition("/")
        if folder not in folders:
            folders[folder] = f"/D{len(folders):07d}"
            image.add_directory(
                folders[folder], rr_name=folder, joliet_path=f"/{folder}", file_mode=_DIRECTORY
            )
        image.add_fp(
            BytesIO(data),
            len(data),
            f"{folders[folder]}/F{number:07d}.;1",
            rr_name=base,
            joliet_path=f"/{name}",
            file_mode=_mode(name),
        )
    return image


def _mode(name: str) -> int:
    runs = name.endswith(".sh") or (name.startswith("provision.") and not name.startswith("provision.data/"))
    return _SCRIPT if runs else _DATA
