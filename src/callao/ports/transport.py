# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the transport of a forward: the hypervisor, ssh, or the guest program. Pure."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Collection, Mapping

from callao.ports.rules import WantedForward

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_LOOPBACK = "127.0.0.1"
"""The address to which the guest can redirect packets from its NIC."""


class Transport(enum.StrEnum):
    SLIRP = "slirp"
    """The hypervisor's user-mode network; data does not pass through the host agent."""
    AGENT = "agent"
    """A stream to the guest's program, which connects inside the guest."""
    SSH = "ssh"
    """The ssh control master; TCP only."""


class Preference(enum.Enum):
    """The preference in ``LIMA_SSH_PORT_FORWARDER``."""

    QUICKEST = enum.auto()
    """The hypervisor where possible, else the guest's program. Lima's ``false``, which is the default."""
    SSH = enum.auto()
    """ssh for all of TCP."""


def preference(environment: Mapping[str, str]) -> Preference:
    """Parse Lima's variable; true is spelled as in Go's strconv.ParseBool."""
    text = environment.get("LIMA_SSH_PORT_FORWARDER", "")
    return Preference.SSH if text.lower() in ("1", "t", "true") else Preference.QUICKEST


def choose_transport(
    wanted: WantedForward, exposed: Collection[tuple[str, int]], prefer: Preference, nic: str
) -> Transport:
    """The best transport for a forward.

    :param exposed: (proto, port) of the guest's 127.0.0.1 that are reachable at its NIC.
    :param nic: the guest's address on its network, which the hypervisor forwards to.
    """
    if _needs_guest_program(wanted):
        return Transport.AGENT
    if wanted.proto == "tcp" and prefer is Preference.SSH:
        return Transport.SSH
    if wanted.inside or ":" in wanted.host_ip:
        return Transport.AGENT
    led_away = (wanted.proto, wanted.guest_port) in exposed
    if needs_exposing(wanted):
        return Transport.SLIRP if led_away else Transport.AGENT
    if wanted.guest_ip == nic and led_away:  # the guest's redirection would lead to its loopback
        return Transport.AGENT
    return Transport.SLIRP if wanted.guest_ip in (*_ANY, nic) else Transport.AGENT


def needs_exposing(wanted: WantedForward) -> bool:
    """Whether reaching the listener at the NIC needs a redirection in the guest."""
    within = wanted.inside or _needs_guest_program(wanted) or ":" in wanted.host_ip
    return wanted.guest_ip == _LOOPBACK and not within


def _needs_guest_program(wanted: WantedForward) -> bool:
    """Whether neither the hypervisor nor ssh can listen on the host end: a unix socket, and ``::``, which
    includes IPv4."""
    return bool(wanted.host_socket) or wanted.host_ip == "::"


def address_within_guest(guest_ip: str) -> str:
    """The address by which the guest itself connects to a server that listens on ``guest_ip``."""
    ip = ipaddress.ip_address(guest_ip)
    if not ip.is_unspecified:
        return guest_ip
    return "127.0.0.1" if ip.version == 4 else "::1"
