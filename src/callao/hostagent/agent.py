# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance's host agent: starts the machine, brings it up, and ends with it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from callao.errors import CallaoError
from callao.events import Event, EventState, Stage
from callao.hostagent import journal, unexpected
from callao.hostagent.assignment import Assignment
from callao.hostagent.shutdown import QUICK_STOP
from callao.hostagent.starting import Starting
from callao.hostagent.status import RunStatus
from callao.instances import fingerprint
from callao.instances.stop_policy import StopPolicy

if TYPE_CHECKING:
    from callao.hostagent.running import Running


class Agent:
    """One run of the host agent, on one event loop.

    ``state`` is :class:`Starting` until there is a machine, and :class:`Running` from then on.
    """

    state: Starting | Running

    def __init__(self, assignment: Assignment, lifeline: int | None = None) -> None:
        """:param lifeline: a pipe's descriptor. The machine is stopped when the other end is closed, as when
        the process that has it is killed.
        """
        self._assignment = assignment
        self._lifeline = lifeline
        self.status = RunStatus(assignment.paths)

    async def run(self) -> int:
        """Run until the machine is off; returns the process's exit status.

        The end is reported in the journal in every case, and no process is left running.
        """
        task = asyncio.current_task()
        assert task is not None
        self.state = starting = Starting(self._assignment, self.status, task)
        try:
            await self._run_machine(starting)
        except CallaoError as error:
            self.state.failed(Stage.DRIVER, error)
            return 1
        except Exception as error:  # a full disk or a programming error: the process that waits must be told
            self.state.failed(Stage.DRIVER, unexpected.as_agent_error(error))
            return 1
        finally:
            await self.state.close()
        return 0

    async def _run_machine(self, starting: Starting) -> None:
        assignment = self._assignment
        self.status.update(booted=fingerprint(assignment.config), ssh_port=assignment.last_port)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: self.state.stop(StopPolicy()))
        loop.add_signal_handler(signal.SIGTERM, lambda: self.state.stop(QUICK_STOP))
        if self._lifeline is not None:
            loop.add_reader(self._lifeline, self._on_lifeline_closed, self._lifeline)
        self.state = running = await starting.run()
        await running.run()
        self.status.report(Event(stage=Stage.STOP, state=EventState.DONE))
        journal.write(exiting=True, errors=[])

    def _on_lifeline_closed(self, lifeline: int) -> None:
        """Stop the machine: the process that needed it has ended."""
        asyncio.get_running_loop().remove_reader(lifeline)
        self.state.stop(QUICK_STOP)
