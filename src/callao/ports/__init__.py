# SPDX-License-Identifier: GPL-3.0-or-later
"""From the guest's ports to the host's: which rules mean which forwards."""

from callao.ports.free import any_free, holder, is_free, refusal
from callao.ports.rules import (
    HostEnd,
    Listener,
    Ruleset,
    Wanted,
    forwards_by_listener,
    named_ports,
    wanted_forwards,
)
from callao.ports.static import Binding, static_forwards
from callao.ports.transport import Preference, Transport, from_within, preference, to_expose, way

__all__ = [
    "Binding",
    "HostEnd",
    "Listener",
    "Preference",
    "Ruleset",
    "Transport",
    "Wanted",
    "any_free",
    "forwards_by_listener",
    "from_within",
    "holder",
    "is_free",
    "named_ports",
    "preference",
    "refusal",
    "static_forwards",
    "to_expose",
    "wanted_forwards",
    "way",
]
