# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of the guest's /etc/hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from callao.cidata.seed import Seed


def etc_hosts(seed: Seed) -> str:
    """Lines for hosts(5): the host, the guest, and those of ``hostResolver.hosts`` that lead to an address.

    A name whose target is neither an address nor a name of this list stays out: only a resolver can
    answer for it.
    """
    names = {"host.lima.internal": seed.network.gateway, f"{seed.hostname}.internal": seed.network.guest}
    names.update(seed.config.host_resolver.hosts)
    found = ((name, _address(name, names)) for name in names)
    return "".join(f"{address}\t{name}\n" for name, address in found if address)


def _address(name: str, names: Mapping[str, str]) -> str:
    """Follow aliases to an address; empty when they end at another name or form a loop."""
    for _ in names:
        name = names.get(name, "")
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            continue
    return ""
