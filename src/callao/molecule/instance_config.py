# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Molecule's instance_config.yml: which instances exist, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.errors import CallaoError


@dataclass(frozen=True)
class RecordedInstance:
    """One instance in Molecule's instance_config.yml, which create.yml writes."""

    platform: str
    name: str
    home: Path


def read_instance_config(record: Path) -> list[RecordedInstance]:
    """The instances in the file; none if the file does not exist.

    :raises CallaoError: when the file cannot be read, because then the instances are not known.
    """
    import yaml

    try:
        entries = yaml.safe_load(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unreadable(record, str(error)) from error
    if not entries:
        return []
    if not isinstance(entries, list):
        raise _unreadable(record, "it is no list")
    return [_entry(record, entry) for entry in entries]


def _entry(record: Path, entry: Any) -> RecordedInstance:
    try:
        home = Path(entry["lima_home"])
        return RecordedInstance(str(entry["instance"]), str(entry["lima_instance"]), home)
    except (KeyError, TypeError) as error:
        raise _unreadable(record, f"an entry is none of this driver's: {error!r}") from error


def _unreadable(record: Path, why: str) -> CallaoError:
    return CallaoError(
        f"{record} cannot be read: {why}.",
        hint="It says which boxes there are. Look for them with 'callao list', delete them with "
        "'callao delete', and remove the file.",
    )
