# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes brought up where the playbook is, all at once, and Molecule's instance_config.yml written."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import yaml
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible_collections.callao.lima.plugins.module_utils._engine import describe, refused
from ansible_collections.callao.lima.plugins.plugin_utils._watch import Watch

from callao.errors import CallaoError
from callao.events import Event, State
from callao.instances.files import write_file
from callao.lifecycle import Outcome
from callao.molecule.boxes import records
from callao.molecule.bring import bring_up

_ENCODER = get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE)


class ActionModule(ActionBase):
    """Each of ``boxes`` an instance that runs; in ``record``, which is its owner's alone, how to reach it.

    That is also written when nothing changed, and for those that came up when another did not.
    """

    _VALID_ARGS = frozenset({"boxes", "record"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result: dict[str, Any] = super().run(task_vars=task_vars)
        # As a module would get them: nothing of Ansible's own about the values.
        boxes = json.loads(json.dumps(self._task.args["boxes"], cls=_ENCODER))
        bringers = [Bringer(box, shown=not self._task.no_log) for box in boxes]
        with ThreadPoolExecutor(len(bringers)) as pool:
            list(pool.map(Bringer.run, bringers))
        up = [(each.box, each.outcome.instance) for each in bringers if each.outcome is not None]
        content = yaml.safe_dump(records((box, instance) for box, instance in up if instance is not None))
        write_file(Path(self._task.args["record"]), content.encode(), mode=0o600)
        result["changed"] = any(each.outcome.changed for each in bringers if each.outcome is not None)
        result["warnings"] = list(dict.fromkeys(notice for each in bringers for notice in each.notices))
        failures = {each.box["platform"]: each.failure for each in bringers if each.failure}
        if failures:
            told = [f"{platform}: {failure['msg']}" for platform, failure in failures.items()]
            result.update(failed=True, msg="\n".join(told), failures=failures)
        return result


class Bringer:
    """Brings up one box, and tells how far it is."""

    def __init__(self, box: dict[str, Any], *, shown: bool) -> None:
        self.box = box
        self.outcome: Outcome | None = None
        self.failure: dict[str, Any] = {}
        self.notices: list[str] = []
        self._begun = time.monotonic()
        self._events: list[dict[str, object]] = []
        # From here: a thread of the pool has not got Ansible's context.
        self._watch = Watch(box["options"]["name"], self._written) if shown else None

    def run(self) -> None:
        try:
            self.outcome = bring_up(self.box["options"], self._report)
            self.notices += self.outcome.notices
        except CallaoError as error:
            self.failure = describe(error)
        except OSError as error:
            self.failure = {"msg": refused(error)}
        finally:
            if self._watch is not None:
                self._watch.end(self._events)

    def _report(self, event: Event) -> None:
        if event.state is State.NOTICE:
            self.notices.append(event.message)
        if event.seconds is None:
            event = msgspec.structs.replace(event, seconds=time.monotonic() - self._begun)
        self._events.append(msgspec.to_builtins(event))

    def _written(self) -> str:
        return "".join(f"{json.dumps(event)}\n" for event in self._events)
