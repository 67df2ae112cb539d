# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's work with the engine: the guarded import, the mapping of errors, events and warnings.

Private to the collection.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.callao.lima.plugins.module_utils._hints import commands_to_options

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from callao.errors import CallaoError
    from callao.events import Event, Reporter
    from callao.host import Host
    from callao.offline import NetworkAccess

VERSION = "0.1.0"
"""Version of the collection, and of the engine that it requires."""

HOME = {"lima_home": {"type": "path"}}
"""The option of all modules for the folder of the instances."""

EVENTS_KEY = "_callao_events"
"""Key of a module's result with its events, which the action plugin removes."""


class _EventLog:
    """Collects the engine's events for the result, and writes them to the events file."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._watched = module.params.get("events_file")
        self._file: int | None = None
        self._warned: set[str] = set()
        self._begun = time.monotonic()
        self.events: list[dict[str, Any]] = []

    def open(self) -> None:
        """Create the events file; never opens an existing one, which another user may have put there."""
        if self._watched:
            self._file = os.open(self._watched, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            Path(self._watched).unlink(missing_ok=True)
            self._file = None

    def report(self, event: Event) -> None:
        if event.state == "notice":
            self.warn(event.message)
        if self._file is None:
            return
        from msgspec import json, to_builtins

        event = event.timed(time.monotonic() - self._begun)
        os.write(self._file, json.encode(event) + b"\n")
        self.events.append(to_builtins(event))

    def warn(self, text: str) -> None:
        """Warn once for each text, because an event and an outcome may have the same one."""
        from callao.printable import printable

        if text not in self._warned:
            self._warned.add(text)
            self._module.warn(commands_to_options(printable(text)))

    def result(self) -> dict[str, Any]:
        """The events for the result; the key tells the action plugin that the file is gone."""
        return {EVENTS_KEY: self.events} if self._watched else {}


def run(module: AnsibleModule, work: Callable[[Reporter, Path, Host], dict[str, Any]]) -> NoReturn:
    """Do *work* with the engine and end the module with what it returns.

    ``notices`` in the returned mapping become warnings. Everything that the engine raises on purpose,
    and errors of the operating system end the module with one message.
    """
    ledger = _EventLog(module)
    try:
        result = _result(ledger, work, module.params["lima_home"])
    except ImportError as error:
        result = {"failed": True, **_missing_library(error)}
    finally:
        ledger.close()
    for notice in result.pop("notices", ()):
        ledger.warn(notice)
    result.update(ledger.result())
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _result(
    ledger: _EventLog, work: Callable[[Reporter, Path, Host], dict[str, Any]], home: str | None
) -> dict[str, Any]:
    import callao
    from callao.errors import CallaoError
    from callao.host import Host, lima_home

    if callao.__version__ != VERSION:
        ledger.warn(
            f"the engine under {sys.executable} is callao {callao.__version__}, and this collection is "
            f"callao.lima {VERSION}: install the same version of both."
        )
    try:
        ledger.open()
        return work(ledger.report, _absolute(home) if home else lima_home(), Host.detect())
    except CallaoError as error:
        return {"failed": True, **failure_result(error)}
    except OSError as error:
        return {"failed": True, "msg": os_error_message(error)}


def _absolute(home: str) -> Path:
    from callao.errors import CallaoError

    if not Path(home).is_absolute():
        raise CallaoError(f"lima_home: {home!r} is not an absolute path (allowed: one, or one below ~).")
    return Path(home)


def network_access(offline: bool | None) -> NetworkAccess:
    """The option ``offline``; where it is not set, the setting of the environment."""
    from callao.offline import network_access as resolved

    return resolved(offline)


def failure_result(error: CallaoError) -> dict[str, Any]:
    """An engine error as a failed result: ``msg`` is for people, the other keys are for programs."""
    failure: dict[str, Any] = {"msg": commands_to_options(str(error)), "error": type(error).__name__}
    for detail in ("hint", "stage", "evidence"):
        value = getattr(error, detail, "")
        if value:
            failure[detail] = commands_to_options(str(value))
    problems = getattr(error, "problems", ())
    if problems:
        failure["problems"] = [
            {
                "path": problem.path,
                "value": repr(problem.value),
                "message": problem.message,
                "allowed": problem.allowed,
            }
            for problem in problems
        ]
    return failure


def _missing_library(error: ImportError) -> dict[str, Any]:
    library = (error.name or "callao").partition(".")[0]
    message = missing_required_lib(
        library, reason="where the instances live", url="https://pypi.org/project/callao/"
    )
    hint = (
        "On this machine ansible-playbook's own Python has it: leave ansible_python_interpreter out, or set "
        "it to '{{ ansible_playbook_python }}'. On another machine, role callao.lima.hypervisor installs it."
    )
    return {"msg": f"{message} ({error}) {hint}", "hint": hint, "exception": traceback.format_exc()}


def os_error_message(error: OSError) -> str:
    """An error of the operating system as one sentence."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."
