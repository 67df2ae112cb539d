# SPDX-License-Identifier: GPL-3.0-or-later
"""An action for the tests: writes ``content`` to ``dest`` here, where a copy task starts two modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        Path(self._task.args["dest"]).write_text(str(self._task.args["content"]))
        return {**result, "changed": False}
