# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's static forwards of a running machine, and their changes."""

from __future__ import annotations

from dataclasses import dataclass

from callao.config import Config
from callao.drivers import Forward, LiveForwarder, Machine
from callao.ports import Binding, static_forwards


@dataclass
class StaticForwards:
    """The static forwards that the hypervisor has now."""

    machine: Machine
    active: list[Forward]
    ssh_port: int

    def bindings(self) -> tuple[Binding, ...]:
        return tuple(
            (forward.proto, forward.host_ip, forward.host_port, forward.guest_port)
            for forward in self.active
        )

    async def apply_config(self, config: Config) -> list[str]:
        """Make the forwards those of ``config``; returns notices on rules without effect.

        :raises DriverError: when a port of the host is in use; the forwards are then unchanged.
        """
        wanted, notices = static_forwards(config.port_forwards, self.ssh_port)
        machine = self.machine
        if not isinstance(machine, LiveForwarder):
            return notices
        target = [Forward(*binding) for binding in wanted]
        removed = [forward for forward in self.active if forward not in target]
        for forward in removed:
            await machine.remove_forward(forward)
            self.active.remove(forward)
        added: list[Forward] = []
        try:
            for forward in target:
                if forward not in self.active:
                    await machine.add_forward(forward)
                    self.active.append(forward)
                    added.append(forward)
        except Exception:
            await self._restore(machine, removed, added)
            raise
        return notices

    async def _restore(self, machine: LiveForwarder, removed: list[Forward], added: list[Forward]) -> None:
        for forward in added:
            await machine.remove_forward(forward)
            self.active.remove(forward)
        for forward in removed:
            await machine.add_forward(forward)
            self.active.append(forward)
