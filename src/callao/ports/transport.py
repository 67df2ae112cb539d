# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the transport of a forward: the hypervisor, ssh, or the guest program. Pure."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Collection, Mapping

from callao.ports.rules import WantedForward

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_LOOPBACK = "127.0.0.1"
"""What the guest can lead its NIC's packets to."""


class Transport(enum.StrEnum):
    SLIRP = "slirp"
    """The hypervisor's own user-mode network: no process, no copy of ours."""
    AGENT = "agent"
    """A stream on the channel to the guest's program, which connects from within."""
    SSH = "ssh"
    """The control master. TCP."""


class Preference(enum.Enum):
    """The preference in ``LIMA_SSH_PORT_FORWARDER``."""

    QUICKEST = enum.auto()
    """The hypervisor where it reaches, else the guest's program. Lima's ``false``, and its default."""
    SSH = enum.auto()
    """ssh for all of TCP."""


def preference(environment: Mapping[str, str]) -> Preference:
    """Lima's variable, with Go's words for true."""
    text = environment.get("LIMA_SSH_PORT_FORWARDER", "")
    return Preference.SSH if text.lower() in ("1", "t", "true") else Preference.QUICKEST


def choose_transport(
    wanted: WantedForward, exposed: Collection[tuple[str, int]], prefer: Preference, nic: str
) -> Transport:
    """The best one.

    :param exposed: (proto, port) of the guest's 127.0.0.1 that are reachable at its NIC.
    :param nic: the guest's address on its network: where the hypervisor's forwards lead.
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
    if wanted.guest_ip == nic and led_away:  # the guest's rule would lead to its loopback
        return Transport.AGENT
    return Transport.SLIRP if wanted.guest_ip in (*_ANY, nic) else Transport.AGENT


def needs_exposing(wanted: WantedForward) -> bool:
    """Whether it takes a rule in the guest to reach it at the NIC."""
    within = wanted.inside or _needs_guest_program(wanted) or ":" in wanted.host_ip
    return wanted.guest_ip == _LOOPBACK and not within


def _needs_guest_program(wanted: WantedForward) -> bool:
    """What neither the hypervisor nor ssh can listen on as it is meant: a socket, and ``::``, which takes
    IPv4 as well."""
    return bool(wanted.host_socket) or wanted.host_ip == "::"


def address_within_guest(guest_ip: str) -> str:
    """The address at which the guest itself finds a server that listens on ``guest_ip``."""
    ip = ipaddress.ip_address(guest_ip)
    if not ip.is_unspecified:
        return guest_ip
    return "127.0.0.1" if ip.version == 4 else "::1"
