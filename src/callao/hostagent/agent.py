# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance's host agent: starts the machine, waits until it is ready, and ends with it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from callao.errors import CallaoError
from callao.events import Event, EventState, Stage
from callao.hostagent import journal, unexpected
from callao.hostagent.assignment import Assignment
from callao.hostagent.shutdown import QUICK
from callao.hostagent.starting import Starting
from callao.hostagent.status import RunStatus
from callao.instances import fingerprint
from callao.instances.stop_policy import StopPolicy

if TYPE_CHECKING:
    from callao.hostagent.running import Running


class Agent:
    """One run; everything happens on one event loop.

    ``state`` is :class:`Starting` until there is a machine, and :class:`Running` from then on.
    """

    state: Starting | Running

    def __init__(self, assignment: Assignment, lifeline: int | None = None) -> None:
        """:param lifeline: a descriptor that is closed when the run ends that the machine shall end with."""
        self._assignment = assignment
        self._lifeline = lifeline
        self.status = RunStatus(assignment.paths)

    async def run(self) -> int:
        """Until the machine is off; returns the process's exit status.

        However it ends, that is told, and nothing is left running.
        """
        task = asyncio.current_task()
        assert task is not None
        self.state = starting = Starting(self._assignment, self.status, task)
        try:
            await self._live(starting)
        except CallaoError as error:
            self.state.failed(Stage.DRIVER, error)
            return 1
        except Exception as error:  # a full disk, or a mistake of ours: whoever waits for us must hear of it
            self.state.failed(Stage.DRIVER, unexpected.failure(error))
            return 1
        finally:
            await self.state.close()
        return 0

    async def _live(self, starting: Starting) -> None:
        at = self._assignment
        self.status.note(booted=fingerprint(at.config), ssh_port=at.last_port)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: self.state.stop(StopPolicy()))
        loop.add_signal_handler(signal.SIGTERM, lambda: self.state.stop(QUICK))
        if self._lifeline is not None:
            loop.add_reader(self._lifeline, self._cut_loose, self._lifeline)
        self.state = running = await starting.run()
        await running.run()
        self.status.report(Event(stage=Stage.STOP, state=EventState.DONE))
        journal.write(exiting=True, errors=[])

    def _cut_loose(self, lifeline: int) -> None:
        """Nobody waits for the machine any more."""
        asyncio.get_running_loop().remove_reader(lifeline)
        self.state.stop(QUICK)
