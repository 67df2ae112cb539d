# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits networks.yaml, keeping its comments."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from callao.atomic import write_file
from callao.config import dump, load
from callao.config.networks_yaml import networks_file, networks_text
from callao.config.patch import patched
from callao.errors import ConfigError, NetworkError
from callao.flock import home_lock

_PATIENCE = 60.0
"""Seconds to wait for another run that edits the file."""


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    """Keep other runs from editing the file.

    :raises NetworkError: when another run holds the lock too long.
    """

    def busy(who: str) -> NetworkError:
        return NetworkError(
            f"{networks_file(home)} is being edited by another run, {who}; waited {_PATIENCE:.0f} s for it.",
            hint="Wait for that run to end, then try again.",
        )

    with home_lock(home, "_networks", _PATIENCE, busy):
        yield


def entries(text: str) -> dict[str, Any]:
    """The networks in a text that has been validated, as they are written."""
    found = load(text, "networks.yaml").get("networks")
    return dict(found) if isinstance(found, Mapping) else {}


def with_entries(text: str, networks: Mapping[str, Any]) -> tuple[str, bool]:
    """``text`` with these networks; and whether its comments could be kept."""
    document = {**load(text, "networks.yaml"), "networks": dict(networks)}
    kept = patched(text, document)
    return (kept, True) if kept is not None else (dump(document), False)


def write(home: Path, text: str, *, comments_kept: bool) -> Path | None:
    """Replace the file; returns where the former one is kept when its comments could not be.

    A symbolic link stays one, and the file keeps its mode.
    """
    path = networks_file(home).resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    copy = None
    if not comments_kept:
        with contextlib.suppress(ConfigError):
            copy = path.with_name("networks.yaml.bak")
            write_file(copy, networks_text(home).encode())
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    write_file(path, text.encode(), mode=mode)
    return copy
