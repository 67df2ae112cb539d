# SPDX-License-Identifier: GPL-3.0-or-later
"""From the guest's ports to the host's: which rules mean which forwards."""

from callao.ports.free import any_free, holder, is_free
from callao.ports.static import Binding, static_forwards

__all__ = ["Binding", "any_free", "holder", "is_free", "static_forwards"]
