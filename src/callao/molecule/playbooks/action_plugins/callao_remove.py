# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes instances on the controller, and Molecule's instance_config.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from callao.errors import CallaoError
from callao.events import Event, EventState, Stage, silent
from callao.molecule.instance_config import read_instance_config
from callao.molecule.reset import remove
from callao.molecule.run_timeline import existing_timeline, write_timeline_page


class ActionModule(ActionBase):
    """Removes the instances ``names`` and those in ``record``; that file stays if one cannot be removed."""

    _VALID_ARGS = frozenset({"names", "record"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = super().run(task_vars=task_vars)
        record = Path(self._task.args["record"])
        failures = []
        places: dict[str, Path | None] = dict.fromkeys(map(str, self._task.args["names"]))
        try:
            places |= {box.name: box.home for box in read_instance_config(record)}
        except CallaoError as error:
            failures.append(str(error))
        timeline = existing_timeline(record)
        for name, home in places.items():
            report = silent if timeline is None else timeline.reporter(name, silent)
            try:
                report(Event(stage=Stage.STOP, state=EventState.BEGUN))
                remove(name, home)
                report(Event(stage=Stage.STOP, state=EventState.DONE))
            except (CallaoError, OSError) as error:
                failures.append(f"{name}: {error}")
        if timeline is not None:
            write_timeline_page(timeline)
        if failures:
            return {**result, "failed": True, "msg": "\n".join(failures)}
        record.unlink(missing_ok=True)
        return {**result, "changed": True}
