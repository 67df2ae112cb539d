# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes or restores a snapshot of each instance, on the controller."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from callao.errors import CallaoError
from callao.molecule.instance_config import read_instance_config
from callao.molecule.run_timeline import existing_timeline, write_timeline_page
from callao.molecule.snapshot import ensure_taken, restore
from callao.molecule.workers import WorkerFailed, in_workers


class ActionModule(ActionBase):
    """Takes ``snapshot`` of each instance in ``record``, or restores it with ``state: applied``."""

    _VALID_ARGS = frozenset({"record", "snapshot", "state"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result: dict[str, Any] = super().run(task_vars=task_vars)
        do = restore if self._task.args["state"] == "applied" else ensure_taken
        try:
            boxes = read_instance_config(Path(self._task.args["record"]))
        except CallaoError as error:
            return {**result, "failed": True, "msg": str(error)}
        snapshot = str(self._task.args["snapshot"])
        timeline = existing_timeline(Path(self._task.args["record"]))
        answers = in_workers(partial(do, snapshot=snapshot, timeline=timeline), boxes)
        if timeline is not None:
            write_timeline_page(timeline)
        failures = [
            f"{box.platform}: {answer.reason if isinstance(answer, WorkerFailed) else answer}"
            for box, answer in zip(boxes, answers, strict=True)
            if not isinstance(answer, bool)
        ]
        if failures:
            return {**result, "failed": True, "msg": "\n".join(failures)}
        return {**result, "changed": any(answers)}
