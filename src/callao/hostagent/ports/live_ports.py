# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwards the guest's listening ports: connects the channel to the guest program with the port
forwarder.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from callao.cancellation import cancel_and_wait
from callao.config import Config, PortForward
from callao.drivers import LiveForwarder, Machine
from callao.guest.messages import DNAT, FILTERED, V6ONLY
from callao.guest_network import GuestNetwork
from callao.hostagent import journal, unexpected
from callao.hostagent.channel.clock import Message
from callao.hostagent.channel.guest_link import GuestLink
from callao.hostagent.ports.forwarders import AgentForwarder, Forwarder, SlirpForwarder, SshForwarder
from callao.hostagent.ports.port_events import PortEvents, event
from callao.hostagent.ports.port_forwarder import PortForwarder
from callao.hostagent.ports.socket_forwards import SocketForwards
from callao.ports import Binding, Listener, Transport, WantedForward, preference
from callao.printable import printable
from callao.ssh import Client
from callao.token_bucket import TokenBucket

_GATHER_SECONDS = 0.05
"""Seconds after an update in which further changes are gathered."""

_SYNC_TIMEOUT = 10.0
"""Seconds for a restored machine to set its clock, and to use another resolver."""

_EVENT_RATE = (200, 10.0)
"""Events of port forwards that are written at once, and per second after that: the guest causes them."""

_FIRST_REPORT_TIMEOUT = 2.0
"""Seconds for a guest program that has sent ``hello`` to report the listeners."""

_MAX_REASON = 200
"""Largest number of characters of the guest's reason why kernel events are not available."""

_PROTOCOLS = ("tcp", "udp")


class LivePorts:
    """The forwards of the guest's listeners, for one machine that is not plain."""

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
        hello_messages: Sequence[Message] = (),
    ) -> None:
        """:param hello_messages: messages that are sent to the guest program each time that it has sent
        ``hello``.
        """
        self._hello_messages = hello_messages
        self._config = config
        self._address = network.guest
        self._pending: asyncio.Task[None] | None = None
        self._last_update = 0.0
        self._source: dict[str, str] = {}
        self._requested_ports: list[list[object]] = []
        self._resolver_set = asyncio.Event()
        self._first_report = asyncio.Event()
        handlers = {
            "hello": self._on_hello,
            "listeners": self._listeners,
            "exposed": self._on_exposed,
            "resolving": self._on_resolving,
        }
        self._link = GuestLink(machine.channel, handlers)
        forwarders: dict[Transport, Forwarder] = {
            Transport.SSH: SshForwarder(client),
            Transport.AGENT: AgentForwarder(self._link.multiplexer, sockets),
        }
        if isinstance(machine, LiveForwarder):
            forwarders[Transport.SLIRP] = SlirpForwarder(machine)
        events = PortEvents(self._emit, changed, sockets)
        self._ports = PortForwarder(
            forwarders,
            config.port_forwards,
            ssh_port,
            self._expose,
            events,
            preference(os.environ),
            guest_address=network.guest,
            notice=_notice,
        )
        self._event_bucket = TokenBucket(*_EVENT_RATE)
        self._sockets = SocketForwards(client, sockets, _emit_socket_event)

    def start(self) -> None:
        """Open the channel; called at the beginning of the boot."""
        self._link.start()

    async def open(self) -> None:
        """Begin to forward, after the ssh connection was opened for the first time or again."""
        await self._ports.open()
        await self._sockets.reopen(self._all_rules())

    async def wait_synchronized(self) -> None:
        """Wait until the guest's clock is set, and the guest uses the resolver of this run; if there is no
        guest program, only for a limited time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SYNC_TIMEOUT):
                await self._link.clock.synchronized.wait()
                if any(message["type"] == "dns" for message in self._hello_messages):
                    await self._resolver_set.wait()

    async def wait_forwarded(self) -> None:
        """Wait until the current listeners are forwarded; returns at once if there is no guest program."""
        if self._link.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_REPORT_TIMEOUT):
                    await self._first_report.wait()
            await self._ports.update_until_stable()

    async def apply_config(self, config: Config, static: Iterable[Binding]) -> None:
        """Use other rules, and other static forwards of the machine."""
        self._config = config
        self._ports.rules = config.port_forwards
        self.set_static(static)
        if self._ports.enabled:
            await self._ports.update()
            await self._sockets.apply_rules(self._all_rules())

    def set_static(self, bindings: Iterable[Binding]) -> None:
        """Set the static forwards of the machine."""
        self._ports.static_ends = frozenset(each[:3] for each in bindings)

    async def add(self, rule: PortForward) -> None:
        """Add a rule before all others, until the machine is off."""
        self._ports.added_rules.insert(0, rule)
        await self._update_all()

    async def remove(self, rule: PortForward) -> None:
        """Remove a rule that was added."""
        self._ports.added_rules.remove(rule)
        await self._update_all()

    async def _update_all(self) -> None:
        await self._ports.update()
        if self._ports.enabled:
            await self._sockets.apply_rules(self._all_rules())

    def _all_rules(self) -> list[PortForward]:
        return [*self._ports.added_rules, *self._config.port_forwards]

    @property
    def added_rules(self) -> list[PortForward]:
        """The rules that were added while the machine runs."""
        return self._ports.added_rules

    @property
    def failed(self) -> dict[WantedForward, str]:
        """Forwards that could not be made, with the reason."""
        return {**self._ports.failed, **self._ports.collided}

    def bindings(self) -> tuple[Binding, ...]:
        """The forwards besides the static ones."""
        return tuple(
            (each.proto, each.host_ip, each.host_port, each.guest_port)
            for each in sorted(self._ports.active)
            if not each.host_socket
        )

    async def close(self) -> None:
        if self._pending is not None:
            await cancel_and_wait(self._pending)
        await self._ports.close()
        await self._link.close()

    def listener_source(self) -> dict[str, str]:
        """How the guest program finds listeners: by ``events`` of the kernel, or by ``looks`` (polling),
        with the reason in ``why``; empty while there is no guest program.
        """
        return self._source

    async def _on_hello(self, message: Message) -> None:
        """Send the guest program its settings; it reports all listeners after its ``hello``."""
        self._source = _source(message)
        self._ports.reset()
        self._requested_ports = []
        for message in self._hello_messages:
            await self._link.send(message)

    async def _listeners(self, message: Message) -> None:
        self._ports.change_listeners(_listeners(message.get("added")), _listeners(message.get("removed")))
        self._first_report.set()
        self._schedule_update()

    async def _on_resolving(self, _message: Message) -> None:
        self._resolver_set.set()

    async def _on_exposed(self, message: Message) -> None:
        self._ports.set_exposed(_ports(message.get("ports")))
        self._schedule_update()

    def _schedule_update(self) -> None:
        """Update soon, in a task of its own, because the channel must be read meanwhile."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(self._update())

    async def _update(self) -> None:
        """Update the forwards, at once if the last update was some time ago."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._last_update + _GATHER_SECONDS - loop.time()))
        try:
            await self._ports.update_until_stable()
        except Exception as error:  # the guest's next change triggers another update
            unexpected.report("port forwards", error)
        self._last_update = loop.time()

    async def _expose(self, ports: list[list[object]]) -> None:
        requested = sorted(ports, key=repr)
        if requested != self._requested_ports:
            self._requested_ports = requested
            await self._link.send({"type": "expose", "ports": requested, "address": self._address})

    def _emit(self, forwarding: dict[str, str]) -> None:
        if self._event_bucket.try_take():
            dropped = self._event_bucket.take_dropped()
            if dropped:
                _notice(f"{dropped} changes of port forwards are not listed here: there were too many.")
            journal.try_write(portForward=forwarding)


def _notice(sentence: str) -> None:
    journal.notice(f"portForwards: {sentence}")


def _emit_socket_event(kind: str, guest: str, host: str, error: str) -> None:
    journal.try_write(portForward=event(kind, "unix", guest, host, error))


# The guest is not trusted: invalid entries of its messages are left out.


def _listeners(entries: object) -> Iterable[Listener]:
    for entry in entries if isinstance(entries, list) else []:
        match entry:
            case [str(proto), str(ip), port, *source] if proto in _PROTOCOLS and _is_port(port):
                with contextlib.suppress(ValueError):
                    address = ipaddress.ip_address(ip.partition("%")[0])
                    inside = source[:1] in ([FILTERED], [DNAT if address.is_loopback else V6ONLY])
                    yield Listener(proto, str(address), port, inside)


def _source(hello: Message) -> dict[str, str]:
    if hello.get("hears") is True:
        return {"by": "events"}
    why = hello.get("deaf")
    return {"by": "looks", "why": printable(why)[:_MAX_REASON] if isinstance(why, str) else ""}


def _ports(entries: object) -> Iterable[tuple[str, int]]:
    for entry in entries if isinstance(entries, list) else []:
        match entry:
            case [str(proto), port] if proto in _PROTOCOLS and _is_port(port):
                yield proto, port


def _is_port(value: object) -> bool:
    """Whether it is a port. Not by isinstance: JSON's ``true`` is an int in Python."""
    return type(value) is int and 0 < value < 65536
