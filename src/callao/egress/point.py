# SPDX-License-Identifier: GPL-3.0-or-later
"""All that stands between one guest and what is beyond its network, as long as its machine runs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from callao.egress.gate import Gate, Verdict
from callao.egress.inject import Injection
from callao.egress.names import AllowedNames
from callao.egress.pins import Pins
from callao.egress.policy import Policy
from callao.egress.refusals import Attempt, Refusals
from callao.egress.relay import Relay
from callao.egress.reset import reset_frame
from callao.errors import unsupported
from callao.guest_network import GuestNetwork
from callao.networks.usernet.forwarding import Outlet, forward
from callao.networks.usernet.packets import LENGTH, TCP, UDP
from callao.resolver import ConfiguredNames, Resolver, Rules
from callao.resolver.answers import Answerer
from callao.resolver.names import canonical
from callao.token_bucket import TokenBucket

if TYPE_CHECKING:
    from callao.egress.inject.authority import Authority  # loaded where a secret is injected

_RESET_RATE, _RESET_BURST = 200.0, 400.0
"""Resets a second; what is dropped beyond that is tried again by the guest's kernel."""

Description = dict[str, object]


class _End(Outlet, Protocol):
    """A :class:`~callao.networks.usernet.port.Port`."""

    def close(self, why: str = "", /) -> None:
        """End the connection; nothing the second time."""


class EgressPoint:
    """Of one guest. ``hypervisor_sockets`` are for QEMU: for the guest's NIC, and for the network stack.

    It works as soon as it is made; closing it leaves the guest without a network.
    """

    hypervisor_sockets: tuple[socket.socket, socket.socket]
    _guest: _End
    _stack: _End

    def __init__(self, network: GuestNetwork, allow: Iterable[str], *, log: bool, log_file: Path) -> None:
        """:param log_file: where what is refused is written, with ``log``."""
        self._network = network
        self._allow = tuple(allow)
        self._policy = Policy.of(self._allow, network.subnet, network.gateway)
        self._refusals = Refusals(log_file)
        self._refusals.logging = log
        self._pins = Pins()
        self._relay = Relay(lambda: self._policy, self._pins, self._refusals, self._relay_closed)
        self._gate = Gate(network, self._policy, self._refusals, self._relay.listen)
        self._resets = TokenBucket(_RESET_BURST, _RESET_RATE)
        self._resolver: Resolver | None = None
        if sys.platform == "win32":
            raise unsupported("egress")
        guest, nic = socket.socketpair()
        stack, uplink = socket.socketpair()
        self.hypervisor_sockets = (nic, uplink)
        if sys.platform != "win32":
            from callao.networks.usernet.port import Port

            self._guest = Port(guest, self._from_guest, self._ended)
            self._stack = Port(stack, self._from_stack, self._ended)

    async def start(self, rules: Rules) -> None:
        """Start the name server of the guest's network.

        :param rules: the names that this instance has of itself and of its configuration.
        :raises AgentError: when no port is available.
        """
        self._keep_configured(rules)
        gateway = IPv4Address(self._network.gateway)
        self._resolver = Resolver(rules, gateway=gateway, through=self.filter_names)
        self._gate.add_name_server(*await self._resolver.start())

    def _keep_configured(self, rules: Rules) -> None:
        configured = ConfiguredNames(rules)
        for each in {**rules.static, **rules.hosts}:
            name = canonical(each)
            chain = configured.follow(name) if name is not None else None
            for address in chain.addresses if chain is not None else ():
                if isinstance(address, IPv4Address) and self._policy.may_be_of_name(
                    address, configured=True
                ):
                    self._pins.keep(str(name), address)

    def filter_names(self, inner: Answerer) -> AllowedNames:
        """For a resolver of the guest: it answers for allowed names only."""
        return AllowedNames(lambda: self._policy, self._pins, self._refusals, inner)

    def open_resolver(self, udp_port: int, tcp_port: int) -> None:
        """Let the guest use a further resolver on the host's loopback."""
        self._gate.open_port(UDP, udp_port)
        self._gate.open_port(TCP, tcp_port)

    def close_hypervisor_sockets(self) -> None:
        """After the hypervisor has inherited them."""
        for each in self.hypervisor_sockets:
            each.close()

    def replace(self, allow: Iterable[str], *, log: bool) -> None:
        """Follow other rules, also for what is open now."""
        self._allow = tuple(allow)
        self._policy = Policy.of(self._allow, self._network.subnet, self._network.gateway)
        self._refusals.logging = log
        self._gate.replace(self._policy)
        self._relay.end_disallowed()

    def inject(self, injections: Iterable[Injection], authority: Callable[[], Authority]) -> None:
        """Put these secrets into requests from now on.

        :param authority: the instance's, whose certificates the guest trusts.
        """
        injections = tuple(injections)
        if self._relay.injector is None:
            if not injections:
                return
            from callao.egress.inject.injector import Injector

            self._relay.injector = Injector(authority, self._refuse_injection)
        self._relay.injector.replace(injections)

    def _refuse_injection(self, reason: str, address: IPv4Address, port: int, name: str) -> None:
        self._refusals.add(Attempt("secret", reason, str(address), port, name))

    def describe(self) -> Description:
        """The rules, and what was refused since the start."""
        return {
            "allow": list(self._allow),
            "log": self._refusals.logging,
            "refusedTotal": self._refusals.total,
            "refused": self._refusals.listed(),
        }

    async def close(self) -> None:
        """End all; a second time, does nothing."""
        self.close_hypervisor_sockets()
        self._guest.close()
        self._stack.close()
        await self._relay.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _from_guest(self, source: Outlet, buffer: memoryview, end: int) -> int:
        return forward(source, buffer, end, self._outbound)

    def _outbound(self, whole: memoryview) -> Outlet | None:
        frame = whole[LENGTH.size :]
        match self._gate.outbound(frame):
            case Verdict.PASS:
                return self._stack
            case Verdict.RESET if self._resets.try_take():
                answer = reset_frame(frame)
                self._guest.send(memoryview(LENGTH.pack(len(answer)) + answer), self._stack)
        return None

    def _from_stack(self, source: Outlet, buffer: memoryview, end: int) -> int:
        return forward(source, buffer, end, self._inbound)

    def _inbound(self, whole: memoryview) -> Outlet | None:
        passes = self._gate.inbound(whole[LENGTH.size :]) is Verdict.PASS
        return self._guest if passes else None

    def _relay_closed(self, address: IPv4Address, port: int, local_port: int) -> None:
        self._gate.remove_detour((TCP, address.packed, port), local_port)

    def _ended(self, _port: Outlet, _why: str) -> None:
        """QEMU has ended, or sends what is no frame: nothing passes any more in either direction."""
        self._guest.close()
        self._stack.close()
