# SPDX-License-Identifier: GPL-3.0-or-later
"""From the guest's ports to the host's: which rules mean which forwards."""

from callao.ports.free import any_free, holder, is_free
from callao.ports.rules import Listener, Wanted, default_rules, wanted_forwards
from callao.ports.static import Binding, static_forwards

__all__ = [
    "Binding",
    "Listener",
    "Wanted",
    "any_free",
    "default_rules",
    "holder",
    "is_free",
    "static_forwards",
    "wanted_forwards",
]
