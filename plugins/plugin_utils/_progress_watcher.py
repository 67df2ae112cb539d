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
"""Seconds that a task may take before it is worth telling how far it is."""

INTERVAL = 1.0
"""Seconds between two looks."""

PAUSE_FACTOR = 4
"""A look that took long is followed by a pause of this many times as long."""


class ProgressWatcher:
    """Reads the events file from a thread of its own, and from a connection of its own.

    Every line goes to standard error, whole: standard output is the callback's, and other hosts' lines
    come in between.
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
        """Tell what is left of *events*, which are all of them; nothing of a task that was quick."""
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
    """What reads *path* on the target of *action*, as the user whom its module runs as.

    The connection is made anew, at the first look, by the same plugin with the same options: the
    module keeps the other one busy.
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
