# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seed as a folder, for guests that have no disk for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from callao.cidata.iso import is_script
from callao.reflink import copy_reflink


def write_folder(
    content: Mapping[str, bytes], folder: Path, files: Mapping[str, Path] | None = None
) -> None:
    """Replace the folder by one with these files, readable by their owner only, because they contain keys.

    :param files: files of this host by their names in the folder, which are not read into memory.
    :raises OSError: when it cannot be written.
    """
    fresh = folder.with_name(f".{folder.name}.{os.getpid():x}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(mode=0o700)
        for name, data in content.items():
            path = fresh / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if is_script(name) else 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        for name, source in (files or {}).items():
            copy_reflink(source, fresh / name)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
