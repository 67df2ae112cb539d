# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwarding: which listeners of the guest are forwarded to which ports of the host."""

from callao.ports.addresses import join_host_port
from callao.ports.free import any_free, is_free, port_holder, unavailable_reason
from callao.ports.rules import (
    HostEnd,
    Listener,
    Ruleset,
    WantedForward,
    forwards_by_listener,
    named_ports,
    wanted_forwards,
)
from callao.ports.static import Binding, static_forwards
from callao.ports.transport import (
    Preference,
    Transport,
    address_within_guest,
    choose_transport,
    needs_exposing,
    preference,
)

__all__ = [
    "Binding",
    "HostEnd",
    "Listener",
    "Preference",
    "Ruleset",
    "Transport",
    "WantedForward",
    "address_within_guest",
    "any_free",
    "choose_transport",
    "forwards_by_listener",
    "is_free",
    "join_host_port",
    "named_ports",
    "needs_exposing",
    "port_holder",
    "preference",
    "static_forwards",
    "unavailable_reason",
    "wanted_forwards",
]
