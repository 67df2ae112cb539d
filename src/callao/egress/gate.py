# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides on each frame between a guest and QEMU's network stack. Without side effects but on its tables.

Everything is dropped that is not known to be allowed: IPv6, fragments, IPv4 options, other protocols, and
source addresses that are not the guest's.
"""

from __future__ import annotations

import enum
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address

from callao.config.egress_rules import TCP as TCP_NAME
from callao.config.egress_rules import UDP as UDP_NAME
from callao.egress.detours import Detour, Key, rewrite_destination, rewrite_source
from callao.egress.ipv6 import attempt_of
from callao.egress.policy import Policy
from callao.egress.refusals import Attempt, Refusals
from callao.guest_network import GuestNetwork
from callao.networks.usernet.packets import ARP, IP_AT, IPV4, IPV6, TCP, UDP, is_arp
from callao.token_bucket import TokenBucket

_FIELDS = struct.Struct(">12xHBxH2xHxB2x4s4sHH")
"""Ethertype; of IPv4: version and header length, total length, fragment, protocol, source and destination;
source's and destination's port."""

_HEADER = 0x45
"""IPv4 without options."""
_MORE_OR_OFFSET = 0x3FFF
_ICMP, _ECHO_REQUEST = 1, 8
_SYN, _ACK = 0x02, 0x10
_TCP_FLAGS = 47
_SMALLEST = {TCP: 40, UDP: 28}

_DHCP_SERVER, _DHCP_CLIENT = 67, 68
_GROUP, _GROUP_MASK = 0xE0, 0xF0
"""The first byte of a multicast address."""

_EVERYWHERE = b"\xff" * 4
_NOWHERE = bytes(4)

_UDP_ANSWER = 300.0
"""Seconds in which the guest may answer a datagram that came through a port forward."""

_MOST_FLOWS = 1 << 14
_MOST_DECISIONS = 1 << 12

_QUESTION_RATE, _QUESTION_BURST = 500.0, 1000.0
"""Datagrams a second to the name server."""


class Verdict(enum.Enum):
    """What is done with a frame, which may have been rewritten."""

    PASS = enum.auto()
    DROP = enum.auto()
    RESET = enum.auto()
    """Answer the beginning of a connection by a reset."""


class Gate:
    """Of one guest.

    ``relay`` returns the local port of a relay to an address and port that belongs to an allowed name, or 0.
    """

    def __init__(
        self,
        network: GuestNetwork,
        policy: Policy,
        refusals: Refusals,
        relay: Callable[[IPv4Address, int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guest = IPv4Address(network.guest).packed
        self._gateway = IPv4Address(network.gateway).packed
        self._dns = IPv4Address(network.dns).packed
        self._policy = policy
        self._refusals = refusals
        self._relay = relay
        self._clock = clock
        self._out: dict[Key, Detour] = {}
        self._in: dict[tuple[int, int], Detour] = {}
        """By transport protocol and local port."""
        self._open_ports: set[tuple[int, int]] = set()
        """Of the host's loopback, to which the guest is sent by the program in it."""
        self._direct: dict[Key, bool] = {}
        self._answers: OrderedDict[bytes, float] = OrderedDict()
        """The flows that the host began, by protocol, addresses and ports, and when it last sent."""
        self._questions = TokenBucket(_QUESTION_BURST, _QUESTION_RATE, clock)

    def replace(self, policy: Policy) -> None:
        """Decide by other rules from now on, also on what is open."""
        self._policy = policy
        self._direct.clear()

    def add_name_server(self, udp_port: int, tcp_port: int) -> None:
        """Have the network's name server be at these ports of the host's loopback."""
        for protocol, port in ((UDP, udp_port), (TCP, tcp_port)):
            self.add_detour((protocol, self._dns, 53), port)

    def open_port(self, protocol: int, port: int) -> None:
        """Let the guest use a port of the host's loopback."""
        self._open_ports.add((protocol, port))

    def add_detour(self, target: Key, port: int) -> None:
        """Have what is sent to ``target`` end at a port of the host's loopback."""
        detour = Detour.of(target, self._gateway, port)
        self._out[target] = detour
        self._in[target[0], port] = detour.back()

    def remove_detour(self, target: Key, port: int) -> None:
        self._out.pop(target, None)
        self._in.pop((target[0], port), None)

    def outbound(self, frame: memoryview) -> Verdict:
        """A frame of the guest."""
        if len(frame) < _FIELDS.size:
            return Verdict.DROP
        ethertype, header, size, fragment, protocol, source, target, source_port, port = _FIELDS.unpack_from(
            frame
        )
        if ethertype != IPV4:
            return self._other(ethertype, frame)
        if target[0] & _GROUP_MASK == _GROUP:  # guests send some of these by themselves all the time
            return Verdict.DROP
        if header != _HEADER or size > len(frame) - IP_AT or size < _SMALLEST.get(protocol, 0):
            return self._refuse("ip", "the packet has IPv4 options, or is not whole")
        if fragment & _MORE_OR_OFFSET:
            return self._refuse("ip", "fragments are not passed on", target)
        key = (protocol, target, port)
        if source != self._guest:
            is_dhcp = protocol == UDP and source == _NOWHERE and key[1:] == (_EVERYWHERE, _DHCP_SERVER)
            return (
                Verdict.PASS
                if is_dhcp
                else self._refuse("ip", "the source address is not the guest's", target)
            )
        if protocol == TCP:
            return self._tcp(frame, key, source_port)
        if protocol == UDP:
            return self._udp(frame, key, source_port)
        if protocol == _ICMP and target == self._gateway and frame[IP_AT + 20] == _ECHO_REQUEST:
            return Verdict.PASS
        return self._refuse(
            "icmp" if protocol == _ICMP else f"ip-{protocol}", "only TCP and UDP are passed on", target
        )

    def inbound(self, frame: memoryview) -> Verdict:
        """A frame of QEMU's network stack."""
        if len(frame) < _FIELDS.size:
            return Verdict.DROP
        ethertype, header, _, _, protocol, source, _, source_port, port = _FIELDS.unpack_from(frame)
        if ethertype != IPV4:
            return Verdict.PASS if ethertype == ARP else Verdict.DROP
        if header != _HEADER or protocol not in _SMALLEST:
            return Verdict.PASS
        if source == self._gateway and (detour := self._in.get((protocol, source_port))) is not None:
            rewrite_source(frame, detour)
            return Verdict.PASS
        begins = protocol == UDP or (len(frame) > _TCP_FLAGS and frame[_TCP_FLAGS] & (_SYN | _ACK) == _SYN)
        if begins:
            self._note(_flow(protocol, source, source_port, port))
        return Verdict.PASS

    def _other(self, ethertype: int, frame: memoryview) -> Verdict:
        if ethertype == ARP and is_arp(frame):
            return Verdict.PASS
        if ethertype != IPV6:
            return self._refuse("ethernet", f"frames of type {ethertype:#06x} are not passed on")
        if (attempt := attempt_of(frame)) is not None:
            self._refusals.add(attempt)
        return Verdict.DROP

    def _tcp(self, frame: memoryview, key: Key, source_port: int) -> Verdict:
        begins = frame[_TCP_FLAGS] & (_SYN | _ACK) == _SYN
        if begins and key in self._out and self._is_direct(key):  # as the rules are by now
            del self._out[key]
        detour = self._out.get(key)
        if detour is not None:
            rewrite_destination(frame, detour)
            return Verdict.PASS
        _, target, port = key
        if not begins and _flow(TCP, target, port, source_port) in self._answers:
            return Verdict.PASS
        if self._is_direct(key):
            return Verdict.PASS
        if not begins:
            return Verdict.DROP
        local = self._relay(IPv4Address(target), port)
        if not local:
            reason = "the address was not given for an allowed name, and is not allowed itself"
            self._refuse("tcp", reason, target, port)
            return Verdict.RESET
        self.add_detour(key, local)
        rewrite_destination(frame, self._out[key])
        return Verdict.PASS

    def _udp(self, frame: memoryview, key: Key, source_port: int) -> Verdict:
        detour = self._out.get(key)
        if detour is not None:
            if not self._questions.try_take():
                return Verdict.DROP
            rewrite_destination(frame, detour)
            return Verdict.PASS
        _, target, port = key
        if port == _DHCP_SERVER and target in (self._gateway, _EVERYWHERE) and source_port == _DHCP_CLIENT:
            return Verdict.PASS
        if self._is_direct(key):
            return Verdict.PASS
        sent = self._answers.get(_flow(UDP, target, port, source_port))
        if sent is not None and self._clock() - sent < _UDP_ANSWER:
            return Verdict.PASS
        return self._refuse(
            "dns" if port == 53 else "udp", "the address is not allowed by UDP", target, port
        )

    def _is_direct(self, key: Key) -> bool:
        decided = self._direct.get(key)
        if decided is None:
            if len(self._direct) >= _MOST_DECISIONS:
                self._direct.clear()
            decided = self._direct[key] = self._decide(key)
        return decided

    def _decide(self, key: Key) -> bool:
        protocol, target, port = key
        if target == self._gateway and (protocol, port) in self._open_ports:
            return True
        name = TCP_NAME if protocol == TCP else UDP_NAME
        if target == self._gateway and (protocol, port) in self._in:  # reached by its detour only
            return False
        return self._policy.allows_address(IPv4Address(target), port, name)

    def _note(self, flow: bytes) -> None:
        self._answers[flow] = self._clock()
        self._answers.move_to_end(flow)
        if len(self._answers) > _MOST_FLOWS:
            self._answers.popitem(last=False)

    def _refuse(self, protocol: str, reason: str, target: bytes = b"", port: int = 0) -> Verdict:
        address = str(IPv4Address(target)) if target else ""
        self._refusals.add(Attempt(protocol, reason, address, port))
        return Verdict.DROP


def _flow(protocol: int, other: bytes, other_port: int, guest_port: int) -> bytes:
    return b"%c%b%b%b" % (protocol, other, other_port.to_bytes(2, "big"), guest_port.to_bytes(2, "big"))
