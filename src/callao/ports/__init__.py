# SPDX-License-Identifier: GPL-3.0-or-later
"""From the guest's ports to the host's: which rules mean which forwards."""

from callao.ports.free import any_free, holder, is_free
from callao.ports.rules import Listener, Wanted, default_rules, wanted_forwards
from callao.ports.static import Binding, static_forwards
from callao.ports.ways import Preference, Way, from_within, preference, to_expose, way

__all__ = [
    "Binding",
    "Listener",
    "Preference",
    "Wanted",
    "Way",
    "any_free",
    "default_rules",
    "from_within",
    "holder",
    "is_free",
    "preference",
    "static_forwards",
    "to_expose",
    "wanted_forwards",
    "way",
]
