# SPDX-License-Identifier: GPL-3.0-or-later
"""network-config: cloud-init's version 2, each NIC found by its MAC address.

The user-mode NIC is ``eth0`` with route metric 200, as in Lima, so that a ``networks`` entry (metric
100 unless set) carries the default route.
"""

from __future__ import annotations

from callao.cidata.document import Document
from callao.cidata.seed import Seed
from callao.config.addresses import with_colons

USER_MODE_NIC = "eth0"
USER_MODE_METRIC = 200
_OPTIONAL = "internal_netplanOptional"
"""A template's parameter: the boot does not wait for the NICs."""


def nics(seed: Seed) -> dict[str, str]:
    """The guest's NICs: name to MAC address."""
    others = {each.interface: each.mac_address for each in seed.config.networks}
    return {name: with_colons(mac) for name, mac in {USER_MODE_NIC: seed.mac_address, **others}.items()}


def network_config(seed: Seed) -> Document:
    """See cloud-init's "Networking Config Version 2"."""
    first = _ethernet(USER_MODE_NIC, seed.mac_address, USER_MODE_METRIC)
    servers = seed.config.dns or ((seed.network.dns,) if seed.network.dns else ())
    if servers:
        first["nameservers"] = {"addresses": list(servers)}
    if seed.config.dns:
        first["dhcp4-overrides"] = {"route-metric": USER_MODE_METRIC, "use-dns": False}
    ethernets: dict[str, Document] = {USER_MODE_NIC: first}
    for network in seed.config.networks:
        ethernets[network.interface] = _ethernet(network.interface, network.mac_address, network.metric)
    if seed.config.param.get(_OPTIONAL) == "true":
        for each in ethernets.values():
            each["optional"] = True
    return {"version": 2, "ethernets": ethernets}


def _ethernet(name: str, mac_address: str, metric: int) -> Document:
    return {
        "match": {"macaddress": with_colons(mac_address)},
        "set-name": name,
        "dhcp4": True,
        "dhcp-identifier": "mac",
        "dhcp4-overrides": {"route-metric": metric},
    }
