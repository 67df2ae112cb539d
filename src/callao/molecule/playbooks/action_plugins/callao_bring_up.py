# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates and starts instances on the controller, all at once, and writes Molecule's instance_config.yml."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible_collections.callao.lima.plugins.module_utils._engine import failure_result, os_error_message
from ansible_collections.callao.lima.plugins.plugin_utils._progress_watcher import ProgressWatcher

from callao.atomic import write_file
from callao.errors import CallaoError
from callao.events import Event, EventState
from callao.molecule.bring_up import BringUpResult, bring_up
from callao.molecule.instances import records
from callao.molecule.run_timeline import begin_timeline, write_timeline_page
from callao.molecule.workers import WorkerFailed, in_workers
from callao.timeline import TimelineFile

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
        record = Path(self._task.args["record"])
        timeline = None if self._task.no_log else begin_timeline(record)
        bring = partial(_bring, timeline=timeline, shown=not self._task.no_log)
        brought = [(box, _of(answer)) for box, answer in zip(boxes, in_workers(bring, boxes), strict=True)]
        up = [(box, one.outcome.instance) for box, one in brought if one.outcome is not None]
        content = yaml.safe_dump(records((box, instance) for box, instance in up if instance is not None))
        write_file(record, content.encode(), mode=0o600)
        if timeline is not None:
            write_timeline_page(timeline)
        result["changed"] = any(one.outcome.changed for _, one in brought if one.outcome is not None)
        result["warnings"] = list(dict.fromkeys(notice for _, one in brought for notice in one.notices))
        failures = {box["platform"]: one.failure for box, one in brought if one.failure}
        if failures:
            told = [f"{platform}: {failure['msg']}" for platform, failure in failures.items()]
            result.update(failed=True, msg="\n".join(told), failures=failures)
        return result


def _of(answer: BringUpResult | WorkerFailed) -> BringUpResult:
    if isinstance(answer, WorkerFailed):
        return BringUpResult(failure={"msg": answer.reason, "exception": answer.trace})
    return answer


def _bring(box: dict[str, Any], *, timeline: TimelineFile | None, shown: bool) -> BringUpResult:
    """Create and start one instance, in a worker process; shows its stages."""
    ledger = _EventLog()
    name = box["options"]["name"]
    watch = ProgressWatcher(name, ledger.written) if shown else None
    try:
        report = ledger.report if timeline is None else timeline.reporter(name, ledger.report)
        outcome = bring_up(box["options"], report)
        return BringUpResult(outcome, notices=[*ledger.notices, *outcome.notices])
    except CallaoError as error:
        return BringUpResult(failure=failure_result(error), notices=ledger.notices)
    except OSError as error:
        return BringUpResult(failure={"msg": os_error_message(error)}, notices=ledger.notices)
    finally:
        if watch is not None:
            watch.end(ledger.events)


class _EventLog:
    """Collects the engine's events of one instance."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.events: list[dict[str, object]] = []
        self.notices: list[str] = []

    def report(self, event: Event) -> None:
        if event.state is EventState.NOTICE:
            self.notices.append(event.message)
        self.events.append(msgspec.to_builtins(event.timed(time.monotonic() - self._begun)))

    def written(self) -> str:
        return "".join(f"{json.dumps(event)}\n" for event in self.events)
