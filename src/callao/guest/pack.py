# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's program as one file. This module alone runs on the host."""

from __future__ import annotations

import functools
import io
import zipfile
from importlib import resources

from callao import __version__

HOST_ONLY = "pack.py"
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = "import sys\nfrom callao.guest.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"


@functools.cache
def zipapp_bytes() -> bytes:
    """A zipapp (PEP 441): the same bytes each time for the same source, so that the guest can compare."""
    target = io.BytesIO()
    target.write(SHEBANG)
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in sorted(_files().items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is packed
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text, compresslevel=9)
    return target.getvalue()


def _files() -> dict[str, str]:
    modules = {
        f"callao/guest/{source.name}": source.read_text(encoding="utf-8")
        for source in resources.files("callao.guest").iterdir()
        if source.name.endswith(".py") and source.name != HOST_ONLY
    }
    return {"__main__.py": MAIN, "callao/__init__.py": f'__version__ = "{__version__}"\n', **modules}
