# SPDX-License-Identifier: GPL-3.0-or-later
"""The program as one file, for root to install."""

from __future__ import annotations

import io
import zipfile
from importlib import resources

_SHEBANG = b"#!/usr/bin/python3 -I\n"
_MAIN = """\
import sys
from callao.networks.vmnet.linux.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
_MODULES = (
    "callao/__init__.py",
    "callao/atomic.py",
    "callao/token_bucket.py",
    "callao/networks/__init__.py",
    *(
        f"callao/networks/usernet/{each}.py"
        for each in (
            "__init__",
            "dhcp",
            "dhcp_message",
            "forwarding",
            "guard",
            "leases",
            "packets",
            "port",
        )
    ),
    "callao/networks/vmnet/__init__.py",
    *(
        f"callao/networks/vmnet/linux/{each}.py"
        for each in ("__init__", "__main__", "interface", "options", "relay", "tap")
    ),
)


def program_bytes(shebang: bytes = _SHEBANG) -> bytes:
    """A zipapp (PEP 441) of the standard library's Python alone."""
    target = io.BytesIO()
    target.write(shebang)
    root = resources.files("callao")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("__main__.py"), _MAIN)
        for name in _MODULES:
            archive.writestr(_entry(name), root.joinpath(name.removeprefix("callao/")).read_bytes())
    return target.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is packed
    entry.external_attr = 0o644 << 16
    return entry
