# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes forwards as ports begin and cease to listen in the guest."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from callao import system
from callao.config import PortForward
from callao.errors import CallaoError
from callao.hostagent import unexpected
from callao.hostagent.ports.forwarders import Forwarder
from callao.hostagent.ports.port_events import PortEvents
from callao.ports import (
    HostEnd,
    Listener,
    Preference,
    Ruleset,
    Transport,
    WantedForward,
    choose_transport,
    forwards_by_listener,
    is_free,
    needs_exposing,
    port_holder,
)

_RETRY_INTERVAL = 3.0
"""Seconds between checks whether a port of the host that was in use is free."""

MAX_LISTENERS = 4096
"""Largest number of the guest's listeners that are recorded; each takes the host 0.05 ms for every
change."""

MAX_FORWARDS = 512
"""Largest number of forwards at a time; each takes a descriptor."""

_MAX_HOLDER_LOOKUPS = 16
"""Ports in use, in one update, for which the program is looked up: that reads the sockets of each
process."""

_CPU_SHARE = 0.1
"""Share of one CPU that a guest can have the host agent spend on its listeners."""


@dataclass
class PortForwarder:
    """The forwards of one machine besides the static ones."""

    forwarders: Mapping[Transport, Forwarder]
    rules: Sequence[PortForward]
    ssh_port: int
    expose: Callable[[list[list[object]]], Awaitable[None]]
    """Has the guest make exactly these (proto, port) of its loopback reachable from its NIC."""
    events: PortEvents
    guest_address: str = field(kw_only=True)
    """The guest's address on its network."""
    preference: Preference = Preference.QUICKEST
    added_rules: list[PortForward] = field(default_factory=list)
    """Rules added while the machine runs; they precede the others."""
    static_ends: frozenset[tuple[str, str, int]] = frozenset()
    """(proto, host ip, host port) of the machine's static forwards."""
    listeners: set[Listener] = field(default_factory=set)
    exposed: set[tuple[str, int]] = field(default_factory=set)
    active: dict[WantedForward, Transport] = field(default_factory=dict)
    failed: dict[WantedForward, str] = field(default_factory=dict)
    """Forwards that could not be opened on the host, with the reason."""
    collided: dict[WantedForward, str] = field(default_factory=dict)
    """Forwards whose end on the host is used by the forward of another port of the guest."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    retry: asyncio.Task[None] | None = None
    notice: Callable[[str], None] = lambda _: None
    """Called with a sentence when a limit is reached; once, until it is no longer reached."""
    reached_limits: set[str] = field(default_factory=set)
    """The limits that are reached now."""
    holder_lookups: int = 0
    """Ports for which this update has looked up the program."""
    enabled: bool = False
    """Set after the first login, because forwards by ssh need the connection."""

    async def open(self) -> None:
        """Begin to forward; after a lost connection, open the forwards by ssh again."""
        self.enabled = True
        self.active = {
            each: transport for each, transport in self.active.items() if transport is not Transport.SSH
        }
        await self.update()

    def reset(self) -> None:
        """Forget the guest's state: the guest program has restarted, and reports all listeners again."""
        self.listeners.clear()
        self.exposed.clear()

    def change_listeners(self, added: Iterable[Listener], removed: Iterable[Listener]) -> None:
        """Record changes of the guest's listeners; :meth:`update` applies them."""
        self.listeners.difference_update(removed)
        dropped = 0
        for each in added:
            if len(self.listeners) < MAX_LISTENERS:
                self.listeners.add(each)
            elif each not in self.listeners:
                dropped += 1
        self._limit(
            "listeners",
            dropped > 0 or ("listeners" in self.reached_limits and len(self.listeners) >= MAX_LISTENERS),
            f"The guest has more than {MAX_LISTENERS} listeners: the others are not forwarded. "
            "Restart the instance once they are gone.",
        )

    def set_exposed(self, ports: Iterable[tuple[str, int]]) -> None:
        """Record the ports of its loopback that the guest exposes; :meth:`update` applies them."""
        self.exposed = set(ports)

    async def update_until_stable(self) -> None:
        """Update until nothing changes during an update."""
        before = None
        while before != (seen := (frozenset(self.listeners), frozenset(self.exposed))):
            before = seen
            began = time.thread_time()
            await self.update()
            await asyncio.sleep((time.thread_time() - began) / _CPU_SHARE)

    async def update(self) -> None:
        """Open and close forwards, so that they are those that the rules give for the listeners."""
        if not self.enabled:
            return
        async with self.lock:
            rules = Ruleset((*self.added_rules, *self.rules), self.ssh_port)
            by_listener, chosen = forwards_by_listener(rules, self.listeners)
            self.holder_lookups = 0
            wanted = self._within_limit(sorted(chosen.values()))
            by_slirp = wanted if Transport.SLIRP in self.forwarders else ()
            exposed = [each for each in by_slirp if needs_exposing(each) or self._stays_exposed(each)]
            await self.expose([[each.proto, each.guest_port] for each in exposed])
            all_transports = {each: self._transport_for(each) for each in wanted}
            static_ends = {
                each
                for each, transport in all_transports.items()
                if transport is Transport.SLIRP and self._is_static(each)
            }
            transports = {
                each: transport for each, transport in all_transports.items() if each not in static_ends
            }
            for old, transport in list(self.active.items()):
                if transports.get(old) != transport:
                    await self._remove(old, transport)
            for new, transport in transports.items():
                if new not in self.active:
                    await self._add(new, transport)
            self.failed = {each: error for each, error in self.failed.items() if each in transports}
            self.collided = _collisions(by_listener.values(), chosen)
            limit = f"no more than {MAX_FORWARDS} forwards are made"
            over_limit = dict.fromkeys(set(chosen.values()) - all_transports.keys(), limit)
            refused = {**self.failed, **self.collided, **over_limit}
            self.events.report_changes(rules, by_listener, chosen, static_ends | self.active.keys(), refused)
        if self.retry is None and any(_is_retryable(each) for each in self.failed):
            self.retry = asyncio.ensure_future(self._retry_failed())

    async def close(self) -> None:
        """Close all forwards except the machine's own, which end with it."""
        if self.retry is not None:
            self.retry.cancel()
        for forward, transport in list(self.active.items()):
            if transport is not Transport.SLIRP:
                await unexpected.try_step("the end of a port forward", self._remove(forward, transport))

    def _within_limit(self, wanted: list[WantedForward]) -> list[WantedForward]:
        """At most MAX_FORWARDS: first those that are open, then the first in order."""
        self._limit(
            "forwards",
            len(wanted) > MAX_FORWARDS,
            f"The guest's listeners want {len(wanted)} forwards: no more than {MAX_FORWARDS} are made. "
            "Keep some in the guest by a rule of portForwards with 'ignore: true'.",
        )
        if len(wanted) <= MAX_FORWARDS:
            return wanted
        return sorted(sorted(wanted, key=lambda each: (each not in self.active, each))[:MAX_FORWARDS])

    def _limit(self, limit_name: str, reached: bool, sentence: str) -> None:
        if reached and limit_name not in self.reached_limits:
            self.reached_limits.add(limit_name)
            self.notice(sentence)
        elif not reached:
            self.reached_limits.discard(limit_name)

    def _transport_for(self, wanted: WantedForward) -> Transport:
        """The best transport that is available: not every machine forwards ports itself."""
        best = choose_transport(wanted, self.exposed, self.preference, self.guest_address)
        return best if best in self.forwarders else Transport.AGENT

    def _stays_exposed(self, wanted: WantedForward) -> bool:
        """Whether the guest's program has taken a port over from the hypervisor, which still carries the
        connections from before: they would end with the guest's redirection.
        """
        ours = wanted.inside and wanted.guest_ip == "127.0.0.1"
        return ours and (wanted.proto, wanted.guest_port) in self.exposed

    def _is_static(self, wanted: WantedForward) -> bool:
        """Whether the machine has a static forward for this end on the host."""
        return (wanted.proto, wanted.host_ip, wanted.host_port) in self.static_ends

    async def _add(self, wanted: WantedForward, transport: Transport) -> None:
        is_static = self._is_static(wanted)  # to the guest's NIC, where nothing listens
        try:
            if is_static:
                await self.forwarders[Transport.SLIRP].close(wanted)
            await self.forwarders[transport].open(wanted)
        except CallaoError as error:
            if is_static:
                await self._restore_static(wanted)
            if wanted not in self.failed:
                self.failed[wanted] = await self._failure_reason(wanted, error)
            return
        self.failed.pop(wanted, None)
        self.active[wanted] = transport

    async def _remove(self, wanted: WantedForward, transport: Transport) -> None:
        del self.active[wanted]
        with contextlib.suppress(CallaoError):
            await self.forwarders[transport].close(wanted)
        if self._is_static(wanted):
            await self._restore_static(wanted)

    async def _restore_static(self, wanted: WantedForward) -> None:
        """Open the machine's static forward again."""
        with contextlib.suppress(CallaoError):
            await self.forwarders[Transport.SLIRP].open(wanted)

    async def _failure_reason(self, wanted: WantedForward, error: CallaoError) -> str:
        if wanted.host_socket:
            return error.message
        self.holder_lookups += 1
        if self.holder_lookups <= _MAX_HOLDER_LOOKUPS:
            holder = await asyncio.to_thread(port_holder, wanted.proto, wanted.host_port)
            if holder:
                return f"{wanted.proto} port {wanted.host_port} on {wanted.host_ip} is taken by {holder}"
        if 0 < wanted.host_port < 1024 and system.uid() != 0:
            return f"{wanted.proto} port {wanted.host_port} is privileged, and not ours to bind"
        return error.message

    async def _retry_failed(self) -> None:
        try:
            while retryable := [each for each in self.failed if _is_retryable(each)]:
                await asyncio.sleep(_RETRY_INTERVAL)
                if any(is_free(each.proto, each.host_ip, each.host_port) for each in retryable):
                    self.retry = None
                    await self.update()
                    if self.retry is not None:  # update() has started another task
                        return
                    self.retry = asyncio.current_task()
        except Exception as error:  # the next update starts another task
            unexpected.report("port forwards", error)
        self.retry = None


def _collisions(
    wanted: Iterable[WantedForward | None], chosen: Mapping[HostEnd, WantedForward]
) -> dict[WantedForward, str]:
    """Forwards whose end on the host is used by the forward of another port of the guest."""
    return {
        each: f"it leads to the guest's port {chosen[each.host_end].guest_port} already"
        for each in wanted
        if each is not None and chosen[each.host_end].guest_port != each.guest_port
    }


def _is_retryable(wanted: WantedForward) -> bool:
    """Whether to try again: a port may become free, but an error with a socket's path is permanent."""
    return not wanted.host_socket
