# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds and deletes instances whose owning folder is gone."""

from __future__ import annotations

from pathlib import Path

from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import Instance, all_instances
from callao.instances.lock import DEFAULT_TIMEOUT
from callao.lifecycle.ensure import ensure
from callao.lifecycle.request import Request

OWNER_LABELS = ("callao.owner", "molecule_project")
"""Labels that name the folder an instance was created for: the general one, and the Molecule driver's."""


def orphans(home: Path, host: Host) -> list[Instance]:
    """The instances whose labels name only folders that are gone; none without such a label."""
    found: list[Instance] = []
    for instance in all_instances(home, host):
        owners = [instance.labels[key] for key in OWNER_LABELS if key in instance.labels]
        if owners and all(map(_is_gone, owners)):
            found.append(instance)
    return found


def remove_orphans(home: Path, host: Host, report: Reporter, *, check: bool = False) -> list[str]:
    """Delete them; returns their names. A protected one stays, with a notice.

    :param check: delete none, and return which would be deleted.
    :raises CallaoError: when one of them cannot be removed.
    """
    removed: list[str] = []
    for instance in orphans(home, host):
        if instance.protected:
            message = f"{instance.name}: its folder is gone, and it is protected: it stays."
            report(Event(stage=Stage.STOP, state=EventState.NOTICE, message=message))
            continue
        request = Request(name=instance.name, state="absent", force=True, timeout=DEFAULT_TIMEOUT)
        ensure(request, home=home, host=host, check=check, report=report)
        removed.append(instance.name)
    return removed


def _is_gone(folder: str) -> bool:
    """Whether the folder certainly does not exist. One that cannot be read, or is no path, is not gone."""
    if not Path(folder).is_absolute():
        return False
    try:
        Path(folder).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
