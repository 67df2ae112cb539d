# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's first state: there is no machine yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from callao.disks.ownership import release_all
from callao.errors import AgentError, CallaoError
from callao.events import Stage
from callao.hostagent.assignment import Assignment
from callao.hostagent.boot.machine_start import start_machine
from callao.hostagent.shutdown import end_machine
from callao.hostagent.status import RunStatus
from callao.instances.stop_policy import StopPolicy

if TYPE_CHECKING:
    from callao.hostagent.running import Running
    from callao.resolver import Resolver

_LATER = ("running", "channel.nameservice")
"""What only a machine that runs has a use for, and half of what there is to load: it is loaded while the
hypervisor starts."""


@dataclass
class Starting:
    """``task`` is the one that runs :meth:`run`: a stop cancels it."""

    at: Assignment
    status: RunStatus
    task: asyncio.Task[object]

    async def run(self) -> Running:
        """Start the machine; returns the next state. When that fails, there is no machine.

        :raises CallaoError: when the host, the hypervisor or a port refuses.
        """
        at = self.at
        loading = asyncio.ensure_future(asyncio.to_thread(_load_later))
        started = await start_machine(
            at.driver, at.paths, at.config, at.last_port, at.take_up, self.status.report
        )
        try:
            await loading
            from callao.hostagent.running import Running

            resolver, greeting = await self._resolver()
            return Running(at, self.status, started, resolver, greeting)
        except BaseException:
            await end_machine(started.machine)
            raise

    def stop(self, _policy: StopPolicy) -> None:
        self.task.cancel()

    def failed(self, stage: Stage, error: CallaoError) -> None:
        with contextlib.suppress(OSError):  # the disk is full: who waits for us hears nothing but our end
            self.status.failed(stage, error, error.hint)

    async def close(self) -> None:
        release_all(self.at.paths.dir)
        self.at.folder.remove(self.at.paths.runtime_files)

    async def _resolver(self) -> tuple[Resolver | None, list[Mapping[str, object]]]:
        """What answers the guest's names, and the message that has the guest ask it."""
        config = self.at.config
        if config.plain or not config.host_resolver.enabled:
            return None, []
        if not self.at.driver.network(config).gateway_is_loopback:
            self.status.notice(
                "hostResolver: the guest cannot reach it in this network; its own name server answers."
            )
            return None, []
        from callao.hostagent.channel.nameservice import start_resolver

        try:
            resolver, ask_it = await start_resolver(
                config, self.at.paths.name, self.at.driver.network(config)
            )
        except AgentError as error:
            self.status.notice(f"hostResolver: {error} The hypervisor's own name server answers instead.")
            return None, []
        return resolver, [ask_it]


def _load_later() -> None:
    for name in _LATER:
        import_module(f"callao.hostagent.{name}")
