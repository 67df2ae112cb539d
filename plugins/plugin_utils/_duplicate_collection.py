# SPDX-License-Identifier: GPL-3.0-or-later
"""Warns where two copies of this collection are installed. Private to the collection.

Ansible searches its collections path before Python's packages. So a copy from Galaxy, possibly an old one,
hides the copy that is part of the Python package callao.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

from ansible.utils.display import Display
from ansible_collections.callao.lima.plugins.module_utils._engine import VERSION

_COLLECTION = "ansible_collections/callao/lima"
_VERSION = re.compile(r"^version: *(\S+)", re.MULTILINE)


@cache
def warn_about_hidden_copy() -> None:
    """Warn of a copy that this one hides. Ansible shows the same warning only once."""
    ours = Path(__file__).resolve().parents[2]
    hidden = hidden_copy(ours, sys.path)
    if hidden is not None:
        version = _version_of(hidden)
        Display().warning(
            f"collection callao.lima {VERSION} in {ours} hides version {version}, which came with the "
            f"Python package callao, in {hidden}. Remove the one that you do not want: rm -r {ours}"
        )


def hidden_copy(ours: Path, path: list[str]) -> Path | None:
    """The collection that is part of a Python package, where it is another one than *ours*.

    :param path: where Python looks for packages.
    """
    for folder in path:
        found = Path(folder, _COLLECTION)
        if (found / "galaxy.yml").is_file():
            found = found.resolve()
            return None if found == ours else found
    return None


def _version_of(collection: Path) -> str:
    try:
        found = _VERSION.search((collection / "galaxy.yml").read_text(encoding="utf-8"))
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"
