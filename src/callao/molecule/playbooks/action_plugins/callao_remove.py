# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes removed where the playbook is, and Molecule's instance_config.yml with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from callao.errors import CallaoError
from callao.molecule.reset import remove


def _recorded(record: Path, names: list[str]) -> dict[str, Path | None]:
    """Each instance that create.yml wrote down, with the home that it was made in, and *names*."""
    found: dict[str, Path | None] = dict.fromkeys(names)
    try:
        entries = yaml.safe_load(record.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return found
    for entry in entries if isinstance(entries, list) else []:
        home = Path(str(entry["lima_home"]))
        if (home / entry["lima_instance"]).is_dir():
            found[str(entry["lima_instance"])] = home
    return found


class ActionModule(ActionBase):
    """The instances ``names`` and those of ``record`` are gone; that file stays while one of them does."""

    _VALID_ARGS = frozenset({"names", "record"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = super().run(task_vars=task_vars)
        record = Path(self._task.args["record"])
        failures = []
        for name, home in _recorded(record, [str(name) for name in self._task.args["names"]]).items():
            try:
                remove(name, home)
            except (CallaoError, OSError) as error:
                failures.append(f"{name}: {error}")
        if failures:
            return {**result, "failed": True, "msg": "\n".join(failures)}
        record.unlink(missing_ok=True)
        return {**result, "changed": True}
