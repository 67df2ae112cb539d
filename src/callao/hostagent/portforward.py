# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the guest on the host, as they open and close: by the hypervisor where it can, else by ssh."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ipaddress
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from callao.config import PortForward
from callao.drivers import Forward, Machine
from callao.errors import CallaoError, PortTaken
from callao.ports import Listener, Wanted, default_rules, holder, is_free, wanted_forwards
from callao.ssh import Client

_RETRY = 3.0
"""Seconds between looks whether a port of the host that was taken is free by now."""

Tell = Callable[[str, Wanted, str], None]
"""Told (Lima's type of event, the forward, an error's words)."""


class Way(enum.StrEnum):
    """Who carries the bytes."""

    SLIRP = "slirp"
    """The hypervisor's own user-mode network: no process, no copy of ours."""
    SSH = "ssh"
    """The control master, for what listens on the guest's loopback only. TCP."""


@dataclass
class PortForwarder:
    """The forwards of one machine beside those that it was started with."""

    machine: Machine
    client: Client
    rules: Sequence[PortForward]
    ssh_port: int
    expose: Callable[[list[list[object]]], Awaitable[None]]
    """Has the guest make these of its loopback's (proto, port) reachable from its NIC, and no others."""
    tell: Tell
    extra: list[PortForward] = field(default_factory=list)
    """Rules that came while the machine runs; they go before the others."""
    held: frozenset[tuple[str, str, int]] = frozenset()
    """(proto, host ip, host port) that the machine has had since its start."""
    listeners: set[Listener] = field(default_factory=set)
    exposed: set[tuple[str, int]] = field(default_factory=set)
    active: dict[Wanted, Way] = field(default_factory=dict)
    failed: dict[Wanted, str] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    retry: asyncio.Task[None] | None = None
    enabled: bool = False
    """Not before the guest can be logged into: ssh's forwards need that."""

    async def open(self) -> None:
        """Begin; after a lost connection, begin anew with what ssh had carried."""
        self.enabled = True
        self.active = {each: way for each, way in self.active.items() if way is not Way.SSH}
        await self.update()

    async def listening(self, added: Iterable[Listener], removed: Iterable[Listener]) -> None:
        """The guest's listeners have changed."""
        self.listeners |= set(added)
        self.listeners -= set(removed)
        await self.update()

    async def guest_exposes(self, ports: Iterable[tuple[str, int]]) -> None:
        """What of its loopback the guest makes reachable now."""
        self.exposed = set(ports)
        await self.update()

    async def update(self) -> None:
        """Make the forwards those that the rules want for the listeners."""
        if not self.enabled:
            return
        async with self.lock:
            rules = (*self.extra, *self.rules, *default_rules(self.ssh_port))
            wanted = wanted_forwards(rules, self.listeners)
            await self.expose([[each.proto, each.guest_port] for each in wanted if _is_loopback(each)])
            every = {each: self._way(each) for each in wanted}
            ways = {each: way for each, way in every.items() if way is Way.SSH or not self._is_held(each)}
            for old, way in list(self.active.items()):
                if ways.get(old) != way:
                    await self._remove(old, way)
            for new, new_way in ways.items():
                if new not in self.active:
                    await self._add(new, new_way)
            self.failed = {each: words for each, words in self.failed.items() if each in ways}
        if self.failed and self.retry is None:
            self.retry = asyncio.ensure_future(self._try_again())

    async def close(self) -> None:
        """End ssh's forwards; the machine's go with it."""
        if self.retry is not None:
            self.retry.cancel()
        for forward, way in list(self.active.items()):
            if way is Way.SSH:
                with contextlib.suppress(CallaoError):
                    await self._remove(forward, way)

    def _is_held(self, wanted: Wanted) -> bool:
        """Whether the machine forwards it since its start."""
        return (wanted.proto, wanted.host_ip, wanted.host_port) in self.held

    def _way(self, wanted: Wanted) -> Way:
        loopback = _is_loopback(wanted)
        if wanted.proto == "tcp" and os.environ.get("LIMA_SSH_PORT_FORWARDER", "").lower() in ("1", "true"):
            return Way.SSH
        v4 = ":" not in wanted.guest_ip or wanted.guest_ip == "::"
        reachable = not loopback or (wanted.proto, wanted.guest_port) in self.exposed
        return Way.SLIRP if v4 and reachable and ":" not in wanted.host_ip else Way.SSH

    async def _add(self, wanted: Wanted, way: Way) -> None:
        try:
            if way is Way.SLIRP:
                await self.machine.add_forward(_of_machine(wanted))
            elif wanted.proto == "udp":
                raise PortTaken("UDP on the guest's loopback needs nft or iptables in the guest", port=0)
            else:
                if self._is_held(wanted):  # it leads to the guest's NIC, where nobody listens
                    await self.machine.remove_forward(_of_machine(wanted))
                await self._by_ssh("forward", wanted)
        except CallaoError as error:
            if wanted not in self.failed:
                self.failed[wanted] = _why(wanted, error)
                self.tell("failed", wanted, self.failed[wanted])
            return
        self.failed.pop(wanted, None)
        self.active[wanted] = way
        self.tell("forwarding", wanted, "")

    async def _remove(self, wanted: Wanted, way: Way) -> None:
        del self.active[wanted]
        with contextlib.suppress(CallaoError):
            if way is Way.SLIRP:
                await self.machine.remove_forward(_of_machine(wanted))
            else:
                await self._by_ssh("cancel", wanted)
                if self._is_held(wanted):
                    await self.machine.add_forward(_of_machine(wanted))
        self.tell("stopping", wanted, "")

    async def _by_ssh(self, verb: str, wanted: Wanted) -> None:
        """See ssh(1), ``-O``: the master opens and closes listeners at run time."""
        if verb == "forward" and not is_free("tcp", wanted.host_ip, wanted.host_port):
            raise PortTaken("the port is taken", port=wanted.host_port)
        host = f"[{wanted.host_ip}]" if ":" in wanted.host_ip else wanted.host_ip
        guest = "[::1]" if wanted.guest_ip == "::1" else "127.0.0.1"
        spec = f"{host}:{wanted.host_port}:{guest}:{wanted.guest_port}"
        await self.client.control(verb, "-L", spec)

    async def _try_again(self) -> None:
        while self.failed:
            await asyncio.sleep(_RETRY)
            if any(is_free(each.proto, each.host_ip, each.host_port) for each in self.failed):
                self.retry = None
                await self.update()
                if self.retry is not None:  # update() has begun another
                    return
                self.retry = asyncio.current_task()
        self.retry = None


def _is_loopback(wanted: Wanted) -> bool:
    return ipaddress.ip_address(wanted.guest_ip).is_loopback


def _of_machine(wanted: Wanted) -> Forward:
    return Forward(wanted.proto, wanted.host_ip, wanted.host_port, wanted.guest_port)


def _why(wanted: Wanted, error: CallaoError) -> str:
    who = holder(wanted.proto, wanted.host_port)
    if who:
        return f"{wanted.proto} port {wanted.host_port} on {wanted.host_ip} is taken by {who}"
    if 0 < wanted.host_port < 1024 and os.geteuid() != 0:
        return f"{wanted.proto} port {wanted.host_port} is privileged, and not ours to bind"
    return error.message
