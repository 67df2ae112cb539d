# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCP server of a network: RFC 2131 section 4.3, for clients on the same link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from callao.networks.usernet.dhcp_message import BROADCAST_FLAG, Kind, Message, Option, parse, reply
from callao.networks.usernet.guard import DHCP_CLIENT, DHCP_SERVER
from callao.networks.usernet.leases import Leases, NoAddressLeft
from callao.networks.usernet.packets import BROADCAST, IP_AT, MTU, Frame, port_at, transport, udp_frame

_LEASE_SECONDS = 3600
_NOWHERE = IPv4Address(0)
_EVERYWHERE = IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class DhcpServer:
    """``gateway`` is the router, the name server, and this server."""

    subnet: IPv4Network
    gateway: IPv4Address
    gateway_mac: bytes
    leases: Leases

    def serve(self, mac: bytes, frame: Frame) -> bytes | None:
        """The answer to a frame with a datagram for the server, as a frame; None for no answer."""
        at = transport(frame)
        if at is None or bytes(frame[IP_AT + 16 : IP_AT + 20]) not in (
            _EVERYWHERE.packed,
            self.gateway.packed,
        ):
            return None
        asked = parse(bytes(frame[at + 8 : at + max(8, port_at(frame, at + 4))]))
        # A guest may ask for itself alone: else one guest could take all addresses.
        if asked is None or asked.mac != mac:
            return None
        answer = self._answer(asked)
        if answer is None:
            return None
        kind, yours = answer
        options = {} if kind is Kind.NAK else self._options(with_lease=asked.kind is not Kind.INFORM)
        payload = reply(asked, kind, yours, self.gateway, options)
        macs, address = (self.gateway_mac, mac), yours if yours != _NOWHERE else asked.client_ip
        if kind is Kind.NAK or (asked.client_ip == _NOWHERE and asked.flags & BROADCAST_FLAG):
            macs, address = (self.gateway_mac, BROADCAST), _EVERYWHERE
        return udp_frame(macs, (self.gateway.packed, address.packed), (DHCP_SERVER, DHCP_CLIENT), payload)

    def forget(self, mac: bytes) -> None:
        """Have others get the address of a MAC address that is no instance's, when they have to."""
        self.leases.release(mac)

    def _answer(self, asked: Message) -> tuple[Kind, IPv4Address] | None:
        server = asked.address(Option.SERVER)
        match asked.kind:
            case Kind.DISCOVER:
                address = self._address(asked.mac)
                return None if address is None else (Kind.OFFER, address)
            case Kind.REQUEST if server in (None, self.gateway):
                return self._requested(asked)
            case Kind.INFORM:
                return Kind.ACK, _NOWHERE
            case _:
                # RELEASE: the address is the NIC's as long as its instance runs. DECLINE: nobody else can
                # use the address, which the switch sees to.
                return None

    def _requested(self, asked: Message) -> tuple[Kind, IPv4Address] | None:
        """Section 4.3.2: SELECTING, INIT-REBOOT, RENEWING and REBINDING. The client is told at once that
        another address is wrong, also one of another network."""
        address = self._address(asked.mac)
        if address is None:
            return Kind.NAK, _NOWHERE
        wanted = asked.address(Option.REQUESTED_ADDRESS) or asked.client_ip
        return (Kind.ACK, address) if wanted == address else (Kind.NAK, _NOWHERE)

    def _address(self, mac: bytes) -> IPv4Address | None:
        try:
            return self.leases.take(mac)
        except NoAddressLeft:
            return None

    def _options(self, *, with_lease: bool) -> Mapping[Option, bytes]:
        gateway = self.gateway.packed
        options = {
            Option.MASK: self.subnet.netmask.packed,
            Option.BROADCAST: self.subnet.broadcast_address.packed,
            Option.ROUTER: gateway,
            Option.DNS: gateway,
            Option.MTU: MTU.to_bytes(2, "big"),
        }
        if with_lease:
            options[Option.LEASE_TIME] = _LEASE_SECONDS.to_bytes(4, "big")
        return options
