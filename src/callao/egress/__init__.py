# SPDX-License-Identifier: GPL-3.0-or-later
"""``egress``: what a guest may reach beyond its own network, enforced on the host.

The frames of the guest's network interface pass through this process on their way to QEMU's user-mode
network stack, so that not even root in the guest can go around. Names are resolved by a resolver that
answers for allowed names only; connections to their addresses end at a relay, which checks the name that
the client asks the server for.
"""

from callao.egress.point import EgressPoint
from callao.egress.policy import Policy

__all__ = ["EgressPoint", "Policy"]
