# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's first state: the machine is being started."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from callao.disks.ownership import release_all
from callao.errors import AgentError, CallaoError
from callao.events import Stage
from callao.hostagent.assignment import Assignment
from callao.hostagent.boot.machine_start import start_machine
from callao.hostagent.egress import nic_sockets, start_egress
from callao.hostagent.secrets.starting_values import values_at_start
from callao.hostagent.shutdown import stop_machine
from callao.hostagent.status import RunStatus
from callao.instances.stop_policy import StopPolicy

if TYPE_CHECKING:
    from callao.egress import EgressPoint
    from callao.hostagent.running import Running
    from callao.resolver import Resolver

_LOADED_LATER = ("running", "channel.guest_resolver")
"""Modules that only a running machine needs, half of all: they are imported while the hypervisor starts."""


@dataclass
class Starting:
    """``task`` runs :meth:`run`; a stop cancels it."""

    assignment: Assignment
    status: RunStatus
    task: asyncio.Task[object]

    async def run(self) -> Running:
        """Start the machine; returns the next state. If that fails, no machine is left running.

        :raises CallaoError: when the host, the hypervisor or a port is not available.
        """
        assignment = self.assignment
        loading = asyncio.ensure_future(asyncio.to_thread(_load_later))
        secrets = values_at_start(assignment.config.secrets, os.environ)
        egress = await start_egress(assignment)
        try:
            started = await start_machine(
                assignment.driver,
                assignment.paths,
                assignment.config,
                assignment.last_port,
                assignment.resume_state,
                self.status.report,
                nic_sockets(egress),
            )
            if egress is not None:
                egress.close_hypervisor_sockets()
            try:
                await loading
                from callao.hostagent.running import Running

                resolver, hello_messages = await self._resolver(egress)
                return Running(assignment, self.status, started, resolver, hello_messages, egress, secrets)
            except BaseException:
                await stop_machine(started.machine)
                raise
        except BaseException:
            if egress is not None:
                await egress.close()
            raise

    def stop(self, _policy: StopPolicy) -> None:
        self.task.cancel()

    def failed(self, stage: Stage, error: CallaoError) -> None:
        with contextlib.suppress(
            OSError
        ):  # the disk is full: the process that waits notices only the end of this one
            self.status.failed(stage, error, error.hint)

    async def close(self) -> None:
        release_all(self.assignment.paths.dir)
        self.assignment.folder.remove_files(self.assignment.paths.runtime_files)

    async def _resolver(
        self, egress: EgressPoint | None
    ) -> tuple[Resolver | None, list[Mapping[str, object]]]:
        """Start the resolver for the guest; returns it, and the message that has the guest use it."""
        config = self.assignment.config
        if config.plain or not config.host_resolver.enabled:
            return None, []
        if not self.assignment.driver.network(config).gateway_is_loopback:
            self.status.notice(
                "hostResolver: the guest cannot reach it in this network; its own name server answers."
            )
            return None, []
        from callao.hostagent.channel.guest_resolver import start_resolver

        try:
            resolver, dns_message = await start_resolver(
                config, self.assignment.paths.name, self.assignment.driver.network(config), egress
            )
        except AgentError as error:
            self.status.notice(f"hostResolver: {error} The hypervisor's own name server answers instead.")
            return None, []
        return resolver, [dns_message]


def _load_later() -> None:
    for name in _LOADED_LATER:
        import_module(f"callao.hostagent.{name}")
