# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes removed where the playbook is, and Molecule's instance_config.yml with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from callao.errors import CallaoError
from callao.molecule.reset import remove


class ActionModule(ActionBase):
    """The instances ``names`` are gone, and the file ``record``, which stays while one of them does."""

    _VALID_ARGS = frozenset({"names", "record"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = super().run(task_vars=task_vars)
        failures = []
        for name in self._task.args["names"]:
            try:
                remove(str(name))
            except (CallaoError, OSError) as error:
                failures.append(f"{name}: {error}")
        if failures:
            return {**result, "failed": True, "msg": "\n".join(failures)}
        Path(self._task.args["record"]).unlink(missing_ok=True)
        return {**result, "changed": True}
