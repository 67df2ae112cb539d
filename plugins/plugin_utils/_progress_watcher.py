# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a module's events on the controller while the module runs, here or on another machine.

Private to the collection.
"""

from __future__ import annotations

import contextvars
import shlex
import threading
import time
from collections.abc import Callable

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.utils.display import Display
from ansible_collections.callao.lima.plugins.plugin_utils._progress_lines import ProgressFormatter, parse

DELAY = 1.5
"""Seconds before the progress of a task is shown."""

INTERVAL = 1.0
"""Seconds between two reads."""

PAUSE_FACTOR = 4
"""The pause after a slow read, as a multiple of its duration."""


class ProgressWatcher:
    """Reads the events file in a thread of its own, over a connection of its own.

    Writes whole lines to standard error, because standard output belongs to the callback plugin, and lines
    of other hosts come in between.
    """

    def __init__(self, name: str, look: Callable[[], str]) -> None:
        self._formatter = ProgressFormatter(name)
        self._read_events = look
        self._shown = 0
        self._ended = threading.Event()
        self._started = time.monotonic()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._watch,), daemon=True)
        self._thread.start()

    def end(self, events: list[dict[str, object]]) -> None:
        """Show the rest of *events*, which are all of them; nothing for a quick task."""
        self._ended.set()
        self._thread.join()
        if time.monotonic() - self._started > DELAY:
            self._show(events)

    def _watch(self) -> None:
        pause = DELAY
        while not self._ended.wait(pause):
            begun = time.monotonic()
            try:
                self._show(parse(self._read_events()))
            except (AnsibleError, OSError) as error:
                Display().vvv(f"The stages cannot be shown: {error}")
                return
            pause = max(INTERVAL, PAUSE_FACTOR * (time.monotonic() - begun))

    def _show(self, events: list[dict[str, object]]) -> None:
        line = self._formatter.line(events[self._shown :])
        self._shown = max(self._shown, len(events))
        if line:
            Display().display(line, stderr=True)


def file_reader(action: ActionBase, path: str) -> Callable[[], str]:
    """A function that reads *path* on the target of *action*, as the user as whom its module runs.

    It opens a second connection, at the first call, by the same plugin with the same options, because the
    module uses the first one.
    """
    twin: list[ActionBase] = []

    def look() -> str:
        if not twin:
            twin.append(_second_connection(action))
        found = twin[0]._low_level_execute_command(f"cat {shlex.quote(path)}")
        return found["stdout"] if found["rc"] == 0 else ""

    return look


def _second_connection(action: ActionBase) -> ActionBase:
    original = action._connection
    connection = connection_loader.get(original._load_name, action._play_context)
    connection.set_options(direct=original.get_options())
    connection._shell.set_options(direct=original._shell.get_options())
    if original.become:
        become = become_loader.get(original.become._load_name)
        become.set_options(direct=original.become.get_options())
        connection.set_become_plugin(become)
    return type(action)(
        task=action._task,
        connection=connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
