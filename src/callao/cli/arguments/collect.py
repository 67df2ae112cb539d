# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves the arguments of ``callao lock`` to templates."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callao.cli.session import warn
from callao.errors import LockError


def collect_references(references: Iterable[str], inventories: Iterable[str] = ()) -> list[str]:
    """Templates as they are, playbooks and inventories by what they name, each once.

    Expressions that nobody can know now are told.
    """
    from callao.lockfile.playbook import (
        ReferencedTemplates,
        is_playbook,
        templates_in_inventory,
        templates_in_playbook,
    )

    found = [
        templates_in_playbook(Path(each)) if is_playbook(each) else ReferencedTemplates((each,))
        for each in references
        if each
    ]
    hosts = [templates_in_inventory(_inventory(each), Path(each).absolute().parent) for each in inventories]
    for expression in dict.fromkeys(each for named in [*found, *hosts] for each in named.unknown):
        if not (hosts and "lima_template" in expression):
            warn(
                f"template: {expression!r} is only known when the playbook runs: lock what it may become by "
                "name."
            )
    return list(dict.fromkeys(each for named in [*found, *hosts] for each in named.references))


def _inventory(source: str) -> dict[str, Any]:
    """All of it as Ansible sees it, by Ansible's own program."""
    beside = Path(sys.executable).with_name("ansible-inventory")
    program = str(beside) if beside.exists() else "ansible-inventory"
    try:
        done = subprocess.run([program, "-i", source, "--list"], capture_output=True, text=True, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError) as error:
        raise LockError(f"inventory: {source!r} cannot be read by {program}: {error}.") from error
    if not isinstance(found, dict):
        raise LockError(f"inventory: {source!r} cannot be read: {done.stderr.strip()}")
    return found
