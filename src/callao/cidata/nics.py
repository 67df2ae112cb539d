# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest does with network interfaces that come and go while it runs."""

from __future__ import annotations

import shlex
from importlib import resources

from callao.config.addresses import with_colons
from callao.config.schema import Network


def nic_script(network: Network, address: str = "", prefix: int = 0, gateway: str = "") -> str:
    """A shell script that names and configures one interface, and waits until it has its address.

    :param address: what it gets there, where that is known.
    """
    return _script("configure_nic", network, address, prefix, gateway)


def settle_script(network: Network, address: str = "", prefix: int = 0, gateway: str = "") -> str:
    """The same after a boot, where the seed configures the interface: it waits, and does what is lacking."""
    return _script("settle_nic", network, address, prefix, gateway)


def _script(function: str, network: Network, address: str, prefix: int, gateway: str) -> str:
    call = [function, network.interface, with_colons(network.mac_address), str(network.metric)]
    known = [address, str(prefix), gateway] if address else []
    return f"{_functions()}\n{shlex.join([*call, *known])}\n"


def forget_script(interface: str) -> str:
    """A shell script that has the guest forget an interface that is about to go."""
    return f"{_functions()}\n{shlex.join(['forget_nic', interface])}\n"


def _functions() -> str:
    return (resources.files("callao.cidata") / "scripts" / "nics.sh").read_text(encoding="utf-8")
