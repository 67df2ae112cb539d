# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the guest on the host, as they open and close."""

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
from callao.hostagent.ports.carriers import Carrier
from callao.hostagent.ports.port_events import PortNews
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

_RETRY = 3.0
"""Seconds between looks whether a port of the host that was taken is free by now."""

MOST_LISTENERS = 4096
"""Listeners of the guest that are kept note of; each costs the host 0.05 ms whenever one of them changes."""

MOST_FORWARDS = 512
"""Forwards of listeners at a time, of whichever of the guest's users: each takes a descriptor."""

_MOST_NAMED = 16
"""Taken ports of one update whose holder is looked for: that takes a look at each process of the host."""

_SHARE = 0.1
"""Of one CPU, that a guest can have us spend on its listeners."""


@dataclass
class PortForwarder:
    """The forwards of one machine beside those that it was started with."""

    carriers: Mapping[Transport, Carrier]
    rules: Sequence[PortForward]
    ssh_port: int
    expose: Callable[[list[list[object]]], Awaitable[None]]
    """Has the guest make these of its loopback's (proto, port) reachable from its NIC, and no others."""
    news: PortNews
    nic: str = field(kw_only=True)
    """The guest's address on its network."""
    prefer: Preference = Preference.QUICKEST
    extra: list[PortForward] = field(default_factory=list)
    """Rules that came while the machine runs; they go before the others."""
    held: frozenset[tuple[str, str, int]] = frozenset()
    """(proto, host ip, host port) that the machine has had since its start."""
    listeners: set[Listener] = field(default_factory=set)
    exposed: set[tuple[str, int]] = field(default_factory=set)
    active: dict[WantedForward, Transport] = field(default_factory=dict)
    failed: dict[WantedForward, str] = field(default_factory=dict)
    """What could not be opened on the host, and why."""
    collided: dict[WantedForward, str] = field(default_factory=dict)
    """What has no end on the host because a forward of another of the guest's ports has it."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    retry: asyncio.Task[None] | None = None
    notice: Callable[[str], None] = lambda _: None
    """Told when a limit is reached, in a sentence; once, until there is room again."""
    full: set[str] = field(default_factory=set)
    """The limits that are reached."""
    named: int = 0
    """Taken ports of this update whose holder was looked for."""
    enabled: bool = False
    """Not before the guest can be logged into: ssh's forwards need that."""

    async def open(self) -> None:
        """Begin; after a lost connection, begin anew with what ssh had carried."""
        self.enabled = True
        self.active = {each: by for each, by in self.active.items() if by is not Transport.SSH}
        await self.update()

    def forget(self) -> None:
        """The guest's program has begun anew, and will tell all that it finds."""
        self.listeners.clear()
        self.exposed.clear()

    def listening(self, added: Iterable[Listener], removed: Iterable[Listener]) -> None:
        """The guest's listeners have changed; ``update`` acts on it."""
        self.listeners.difference_update(removed)
        left_out = 0
        for each in added:
            if len(self.listeners) < MOST_LISTENERS:
                self.listeners.add(each)
            elif each not in self.listeners:
                left_out += 1
        self._limit(
            "listeners",
            left_out > 0 or ("listeners" in self.full and len(self.listeners) >= MOST_LISTENERS),
            f"The guest has more than {MOST_LISTENERS} listeners: the others are not forwarded. "
            "Restart the instance once they are gone.",
        )

    def guest_exposes(self, ports: Iterable[tuple[str, int]]) -> None:
        """What of its loopback the guest makes reachable now; ``update`` acts on it."""
        self.exposed = set(ports)

    async def settle(self) -> None:
        """Act on what has changed, and on what changes meanwhile."""
        before = None
        while before != (seen := (frozenset(self.listeners), frozenset(self.exposed))):
            before = seen
            began = time.thread_time()
            await self.update()
            await asyncio.sleep((time.thread_time() - began) / _SHARE)

    async def update(self) -> None:
        """Make the forwards those that the rules want for the listeners."""
        if not self.enabled:
            return
        async with self.lock:
            rules = Ruleset((*self.extra, *self.rules), self.ssh_port)
            by_listener, chosen = forwards_by_listener(rules, self.listeners)
            self.named = 0
            wanted = self._allowed(sorted(chosen.values()))
            led = wanted if Transport.SLIRP in self.carriers else ()
            await self.expose([[each.proto, each.guest_port] for each in led if needs_exposing(each)])
            every = {each: self._way(each) for each in wanted}
            held = {each for each, by in every.items() if by is Transport.SLIRP and self._is_held(each)}
            ways = {each: by for each, by in every.items() if each not in held}
            for old, by in list(self.active.items()):
                if ways.get(old) != by:
                    await self._remove(old, by)
            for new, by in ways.items():
                if new not in self.active:
                    await self._add(new, by)
            self.failed = {each: words for each, words in self.failed.items() if each in ways}
            self.collided = _collisions(by_listener.values(), chosen)
            limit = f"no more than {MOST_FORWARDS} forwards are made"
            over = dict.fromkeys(set(chosen.values()) - every.keys(), limit)
            refused = {**self.failed, **self.collided, **over}
            self.news.tell(rules, by_listener, chosen, held | self.active.keys(), refused)
        if self.retry is None and any(_can_be_tried_again(each) for each in self.failed):
            self.retry = asyncio.ensure_future(self._try_again())

    async def close(self) -> None:
        """End all but the machine's, which go with it."""
        if self.retry is not None:
            self.retry.cancel()
        for forward, by in list(self.active.items()):
            if by is not Transport.SLIRP:
                await unexpected.attempt("the end of a port forward", self._remove(forward, by))

    def _allowed(self, wanted: list[WantedForward]) -> list[WantedForward]:
        """No more than may be: those that there are, then the first in order."""
        self._limit(
            "forwards",
            len(wanted) > MOST_FORWARDS,
            f"The guest's listeners want {len(wanted)} forwards: no more than {MOST_FORWARDS} are made. "
            "Keep some in the guest by a rule of portForwards with 'ignore: true'.",
        )
        if len(wanted) <= MOST_FORWARDS:
            return wanted
        return sorted(sorted(wanted, key=lambda each: (each not in self.active, each))[:MOST_FORWARDS])

    def _limit(self, which: str, reached: bool, sentence: str) -> None:
        if reached and which not in self.full:
            self.full.add(which)
            self.notice(sentence)
        elif not reached:
            self.full.discard(which)

    def _way(self, wanted: WantedForward) -> Transport:
        """The best one that this machine has: not each forwards ports itself."""
        best = choose_transport(wanted, self.exposed, self.prefer, self.nic)
        return best if best in self.carriers else Transport.AGENT

    def _is_held(self, wanted: WantedForward) -> bool:
        """Whether the machine forwards it since its start."""
        return (wanted.proto, wanted.host_ip, wanted.host_port) in self.held

    async def _add(self, wanted: WantedForward, by: Transport) -> None:
        held = self._is_held(wanted)  # it leads to the guest's NIC, where nobody listens
        try:
            if held:
                await self.carriers[Transport.SLIRP].close(wanted)
            await self.carriers[by].open(wanted)
        except CallaoError as error:
            if held:
                await self._hold(wanted)
            if wanted not in self.failed:
                self.failed[wanted] = await self._why(wanted, error)
            return
        self.failed.pop(wanted, None)
        self.active[wanted] = by

    async def _remove(self, wanted: WantedForward, by: Transport) -> None:
        del self.active[wanted]
        with contextlib.suppress(CallaoError):
            await self.carriers[by].close(wanted)
        if self._is_held(wanted):
            await self._hold(wanted)

    async def _hold(self, wanted: WantedForward) -> None:
        """Have the machine forward again what it forwards since its start."""
        with contextlib.suppress(CallaoError):
            await self.carriers[Transport.SLIRP].open(wanted)

    async def _why(self, wanted: WantedForward, error: CallaoError) -> str:
        if wanted.host_socket:
            return error.message
        self.named += 1
        if self.named <= _MOST_NAMED:
            who = await asyncio.to_thread(port_holder, wanted.proto, wanted.host_port)
            if who:
                return f"{wanted.proto} port {wanted.host_port} on {wanted.host_ip} is taken by {who}"
        if 0 < wanted.host_port < 1024 and system.uid() != 0:
            return f"{wanted.proto} port {wanted.host_port} is privileged, and not ours to bind"
        return error.message

    async def _try_again(self) -> None:
        try:
            while waiting := [each for each in self.failed if _can_be_tried_again(each)]:
                await asyncio.sleep(_RETRY)
                if any(is_free(each.proto, each.host_ip, each.host_port) for each in waiting):
                    self.retry = None
                    await self.update()
                    if self.retry is not None:  # update() has begun another
                        return
                    self.retry = asyncio.current_task()
        except Exception as error:  # the next update begins another
            unexpected.tell("port forwards", error)
        self.retry = None


def _collisions(
    wanted: Iterable[WantedForward | None], chosen: Mapping[HostEnd, WantedForward]
) -> dict[WantedForward, str]:
    """What wants the end on the host that a forward of another of the guest's ports has."""
    return {
        each: f"it leads to the guest's port {chosen[each.host_end].guest_port} already"
        for each in wanted
        if each is not None and chosen[each.host_end].guest_port != each.guest_port
    }


def _can_be_tried_again(wanted: WantedForward) -> bool:
    """A port may become free; what is wrong with a socket's path stays wrong."""
    return not wanted.host_socket
