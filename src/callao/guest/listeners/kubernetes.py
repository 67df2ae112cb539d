# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of Kubernetes services, which kube-proxy opens without any socket. A pure parser."""

import sys

assert sys.platform == "linux"

import json

from callao.guest.listeners.dnat import ANYWHERE, PROTOS
from callao.guest.listeners.sockets import Listener

FIELDS = {"NodePort": "nodePort", "LoadBalancer": "port"}
"""Which of a port's numbers the node answers at, for each type of service; as Lima has it."""


def from_services(text: str) -> "set[Listener]":
    """From ``kubectl get services -A -o json``."""
    try:
        services = json.loads(text)["items"]
        return {each for service in services for each in _from_spec(service["spec"])}
    except (ValueError, TypeError, KeyError, AttributeError):
        return set()


def _from_spec(spec: "dict[str, object]") -> "set[Listener]":
    field = FIELDS.get(str(spec.get("type")))
    ports = spec.get("ports")
    if field is None or not isinstance(ports, list):
        return set()
    return {
        Listener(proto, ANYWHERE, each[field], "kubernetes")
        for each in ports
        for proto in [str(each.get("protocol", "TCP")).lower()]
        if proto in PROTOS and isinstance(each.get(field), int)
    }
