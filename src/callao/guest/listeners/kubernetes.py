# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the ports of Kubernetes services, which kube-proxy opens without a socket. Pure functions."""

import sys

assert sys.platform == "linux"

import json

from callao.guest.listeners.dnat import ANY_ADDRESS, PROTOS
from callao.guest.listeners.sockets import Listener

PORT_FIELDS = {"NodePort": "nodePort", "LoadBalancer": "port"}
"""The field with the port at which the node answers, for each type of service; as in Lima."""


def parse_services(text: str) -> "dict[Listener, str]":
    """Parse the output of ``kubectl get services -A -o json``: ports, whose containers are not known."""
    try:
        services = json.loads(text)["items"]
        return {each: "" for service in services for each in _parse_spec(service["spec"])}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _parse_spec(spec: "dict[str, object]") -> "set[Listener]":
    field = PORT_FIELDS.get(str(spec.get("type")))
    ports = spec.get("ports")
    if field is None or not isinstance(ports, list):
        return set()
    return {
        Listener(proto, ANY_ADDRESS, each[field], "kubernetes")
        for each in ports
        for proto in [str(each.get("protocol", "TCP")).lower()]
        if proto in PROTOS and isinstance(each.get(field), int)
    }
