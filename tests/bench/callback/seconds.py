# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes each task's name and duration to the file in ``BENCH_SECONDS``."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: seconds
type: aggregate
short_description: Write how long each task took
description: One line a task, with the seconds and the name separated by a tab.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._began: tuple[str, float] | None = None

    def _close(self) -> None:
        if self._began is not None:
            name, began = self._began
            with Path(os.environ["BENCH_SECONDS"]).open("a") as file:
                file.write(f"{time.monotonic() - began:.6f}\t{name}\n")
        self._began = None

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        self._close()
        self._began = (task.get_name().strip(), time.monotonic())

    def v2_playbook_on_stats(self, stats) -> None:
        self._close()
