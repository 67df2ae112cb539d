# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostResolver``: a DNS server on the host's loopback that resolves names for one guest as the host does.

- Names of ``hostResolver.hosts`` and those the caller gives are answered from there (:class:`Rules`).
- A and AAAA of all others go to the host's getaddrinfo: hosts file, mDNS, VPN, split DNS. So does its
  search list, also for names with dots that are not found as they are.
- Everything else goes to the name servers of the host's resolv.conf.

DNSSEC signatures come through for what is forwarded; answers of getaddrinfo have none.
"""

from callao.resolver.forwarder import Timeouts
from callao.resolver.rules import ConfiguredNames, Rules
from callao.resolver.server import Resolver

__all__ = ["ConfiguredNames", "Resolver", "Rules", "Timeouts"]
