# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest has open, on the host: the channel to the guest's program, and who acts on it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from callao.config import Config, PortForward
from callao.drivers import LiveForwarder, Machine
from callao.guest.messages import DNAT, V6ONLY
from callao.guest_network import GuestNetwork
from callao.hostagent import journal, unexpected
from callao.hostagent.channel.clock import Message
from callao.hostagent.channel.guestlink import GuestLink
from callao.hostagent.ports.carriers import ByAgent, BySlirp, BySsh, Carrier
from callao.hostagent.ports.port_events import PortNews, event
from callao.hostagent.ports.portforward import PortForwarder
from callao.hostagent.ports.rate_limit import Ration
from callao.hostagent.ports.socketforward import SocketForwards
from callao.ports import Binding, Listener, Transport, WantedForward, preference
from callao.printable import printable
from callao.ssh import Client

_SETTLE = 0.05
"""Seconds after acting on the guest's news in which further news are gathered."""

_CATCH_UP = 10.0
"""Seconds for a machine that went on to have its clock set, and to ask another resolver."""

_TOLD = (200, 10.0)
"""Events of port forwards that are written at once, and each second after: the guest brings them about."""

_FIRST_NEWS = 2.0
"""Seconds for a program that has said hello to tell what listens."""

_LONGEST = 200
"""Characters of the guest's that are passed on as it says why its kernel tells nothing."""

_PROTOS = ("tcp", "udp")


class LivePorts:
    """For one machine that isn't plain."""

    def __init__(
        self,
        machine: Machine,
        client: Client,
        config: Config,
        *,
        ssh_port: int,
        network: GuestNetwork,
        sockets: Path,
        changed: Callable[[], None],
        greeting: Sequence[Message] = (),
    ) -> None:
        """:param greeting: what a guest's program is told each time it has said hello."""
        self._greeting = greeting
        self._config = config
        self._address = network.guest
        self._pending: asyncio.Task[None] | None = None
        self._acted = 0.0
        self._hearing: dict[str, str] = {}
        self._exposing: list[list[object]] = []
        self._resolving = asyncio.Event()
        self._heard = asyncio.Event()
        handlers = {
            "hello": self._hello,
            "listeners": self._listeners,
            "exposed": self._exposed,
            "resolving": self._resolves,
        }
        self._link = GuestLink(machine.channel, handlers)
        carriers: dict[Transport, Carrier] = {
            Transport.SSH: BySsh(client),
            Transport.AGENT: ByAgent(self._link.multiplexer, sockets),
        }
        if isinstance(machine, LiveForwarder):
            carriers[Transport.SLIRP] = BySlirp(machine)
        news = PortNews(self._told, changed, sockets)
        self._ports = PortForwarder(
            carriers,
            config.port_forwards,
            ssh_port,
            self._expose,
            news,
            preference(os.environ),
            nic=network.guest,
            notice=_notice,
        )
        self._ration = Ration(*_TOLD)
        self._sockets = SocketForwards(client, sockets, _socket_told)

    def start(self) -> None:
        """Listen to the guest from the beginning of its boot."""
        self._link.start()

    async def open(self) -> None:
        """The guest can be logged into, for the first time or again."""
        await self._ports.open()
        await self._sockets.reopen(self._config.port_forwards)

    async def caught_up(self) -> None:
        """Wait until the guest's clock is right, and it asks the resolver of this run, not one that has
        ended; a program that isn't there is not waited for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP):
                await self._link.clock.right.wait()
                if any(message["type"] == "dns" for message in self._greeting):
                    await self._resolving.wait()

    async def settled(self) -> None:
        """Wait until what listens by now is forwarded; a program that isn't there is not waited for."""
        if self._link.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_NEWS):
                    await self._heard.wait()
            await self._ports.settle()

    async def become(self, config: Config, held: Iterable[Binding]) -> None:
        """The rules have changed, or what the machine holds of itself has."""
        self._config = config
        self._ports.rules = config.port_forwards
        self.hold(held)
        if self._ports.enabled:
            await self._ports.update()
            await self._sockets.become(config.port_forwards)

    def hold(self, bindings: Iterable[Binding]) -> None:
        """Ports that the machine forwards since its start."""
        self._ports.held = frozenset(each[:3] for each in bindings)

    async def add(self, rule: PortForward) -> None:
        """One more rule, before all others, until the machine is off."""
        self._ports.extra.insert(0, rule)
        await self._ports.update()

    async def remove(self, rule: PortForward) -> None:
        """No longer that rule."""
        self._ports.extra.remove(rule)
        await self._ports.update()

    @property
    def extra(self) -> list[PortForward]:
        """The rules that were added."""
        return self._ports.extra

    @property
    def failed(self) -> dict[WantedForward, str]:
        """Forwards that are wanted and not there, and why."""
        return {**self._ports.failed, **self._ports.collided}

    def bindings(self) -> tuple[Binding, ...]:
        """What is forwarded beside what the machine holds."""
        return tuple(
            (each.proto, each.host_ip, each.host_port, each.guest_port)
            for each in sorted(self._ports.active)
            if not each.host_socket
        )

    async def close(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pending
        await self._ports.close()
        await self._link.close()

    def hearing(self) -> dict[str, str]:
        """How the guest's program finds listeners: ``events`` of the kernel, or ``looks`` now and then, and
        ``why`` only these; nothing as long as there is no program."""
        return self._hearing

    async def _hello(self, message: Message) -> None:
        """A guest's program that has just begun knows nothing, and tells all it finds."""
        self._hearing = _hearing(message)
        self._ports.forget()
        self._exposing = []
        for message in self._greeting:
            await self._link.send(message)

    async def _listeners(self, message: Message) -> None:
        self._ports.listening(_listeners(message.get("added")), _listeners(message.get("removed")))
        self._heard.set()
        self._soon()

    async def _resolves(self, _message: Message) -> None:
        self._resolving.set()

    async def _exposed(self, message: Message) -> None:
        self._ports.guest_exposes(_ports(message.get("ports")))
        self._soon()

    def _soon(self) -> None:
        """Act soon, in a task of its own: the channel must be read meanwhile."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(self._act())

    async def _act(self) -> None:
        """At once after a quiet time."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._acted + _SETTLE - loop.time()))
        try:
            await self._ports.settle()
        except Exception as error:  # the guest's next listener has another try
            unexpected.tell("port forwards", error)
        self._acted = loop.time()

    async def _expose(self, ports: list[list[object]]) -> None:
        wanted = sorted(ports, key=repr)
        if wanted != self._exposing:
            self._exposing = wanted
            await self._link.send({"type": "expose", "ports": wanted, "address": self._address})

    def _told(self, forwarding: dict[str, str]) -> None:
        if self._ration.take():
            missed = self._ration.missed()
            if missed:
                _notice(f"{missed} changes of port forwards are not listed here: there were too many.")
            journal.tell(portForward=forwarding)


def _notice(sentence: str) -> None:
    journal.notice(f"portForwards: {sentence}")


def _socket_told(kind: str, guest: str, host: str, error: str) -> None:
    journal.tell(portForward=event(kind, "unix", guest, host, error))


# What the guest says is taken for no more than it is: what doesn't look right is left out.


def _listeners(entries: object) -> Iterable[Listener]:
    for entry in entries if isinstance(entries, list) else []:
        match entry:
            case [str(proto), str(ip), port, *source] if proto in _PROTOS and _is_port(port):
                with contextlib.suppress(ValueError):
                    address = ipaddress.ip_address(ip.partition("%")[0])
                    inside = source[:1] == [DNAT if address.is_loopback else V6ONLY]
                    yield Listener(proto, str(address), port, inside)


def _hearing(hello: Message) -> dict[str, str]:
    if hello.get("hears") is True:
        return {"by": "events"}
    why = hello.get("deaf")
    return {"by": "looks", "why": printable(why)[:_LONGEST] if isinstance(why, str) else ""}


def _ports(entries: object) -> Iterable[tuple[str, int]]:
    for entry in entries if isinstance(entries, list) else []:
        match entry:
            case [str(proto), port] if proto in _PROTOS and _is_port(port):
                yield proto, port


def _is_port(value: object) -> bool:
    """JSON's ``true`` is an int to Python."""
    return type(value) is int and 0 < value < 65536
