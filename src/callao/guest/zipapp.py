# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the guest program into one file. This module alone runs on the host."""

from __future__ import annotations

import functools
import io
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable

from callao import __version__

HOST_ONLY = "zipapp.py"
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = "import sys\nfrom callao.guest.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"


@functools.cache
def zipapp_bytes() -> bytes:
    """A zipapp (PEP 441). The same source gives the same bytes, so that the guest can compare two of
    them.
    """
    target = io.BytesIO()
    target.write(SHEBANG)
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in sorted(_files().items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the bytes do not depend on the host's system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text, compresslevel=9)
    return target.getvalue()


def _files() -> dict[str, str]:
    head = f'__version__ = "{__version__}"\n'
    folder = resources.files("callao.guest")
    return {"__main__.py": MAIN, "callao/__init__.py": head, **_modules(folder, "callao/guest")}


def _modules(folder: Traversable, path: str) -> dict[str, str]:
    """The source of the modules of a package and of its subpackages, by path."""
    found: dict[str, str] = {}
    for each in folder.iterdir():
        if each.name.endswith(".py") and each.name != HOST_ONLY:
            found[f"{path}/{each.name}"] = each.read_text(encoding="utf-8")
        elif each.is_dir() and each.name != "__pycache__":
            found |= _modules(each, f"{path}/{each.name}")
    return found
