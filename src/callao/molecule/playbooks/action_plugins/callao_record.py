# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's instance_config.yml, written where the playbook is: copy would start three modules for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from callao.instances.files import write_file


class ActionModule(ActionBase):
    """``path`` holds ``content``, for its owner alone; without content there is no such file."""

    _VALID_ARGS = frozenset({"path", "content"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result = super().run(task_vars=task_vars)
        path, content = Path(self._task.args["path"]), str(self._task.args["content"])
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if content:
            write_file(path, content.encode(), mode=0o600)
        else:
            path.unlink(missing_ok=True)
        return {**result, "changed": before != content}
