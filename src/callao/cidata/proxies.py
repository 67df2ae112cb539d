# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's proxy settings, translated for the guest."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

_NAMES = ("ftp_proxy", "http_proxy", "https_proxy", "no_proxy")

_PROXY = re.compile(
    r"(?P<before>(?:[a-z0-9+.-]+://)?(?:[^/]*@)?)(?P<host>\[[^\]]*\]|[^:/]*)(?P<after>.*)", re.IGNORECASE
)
"""The authority of RFC 3986, section 3.2: login, host, then port and the rest."""


def guest_environment(
    env: Mapping[str, str], host: Mapping[str, str], gateway: str, *, propagate: bool
) -> dict[str, str]:
    """``env`` of the configuration, overridden by the host's proxy variables.

    Each proxy variable is set in lower and upper case to one value, that of the lower case where they
    differ; empty ones are omitted. In proxies on the host's loopback, the host is replaced by its guest-side
    address.
    """
    known = {*_NAMES, *(name.upper() for name in _NAMES)}
    merged = dict(env)
    if propagate:
        merged.update({name: host[name] for name in sorted(known & host.keys()) if "\n" not in host[name]})
    proxies = {}
    for name in _NAMES:
        value = merged.pop(name, "")
        upper = merged.pop(name.upper(), "")
        chosen = value or upper
        if chosen:
            proxies[name] = proxies[name.upper()] = (
                chosen if name == "no_proxy" else with_guest_host(chosen, gateway)
            )
    return merged | proxies


def with_guest_host(proxy: str, gateway: str) -> str:
    """The proxy's URL (or bare ``host:port``) with a loopback host replaced by the gateway."""
    match = _PROXY.fullmatch(proxy)
    if match is None or not _loopback(match["host"].strip("[]")):
        return proxy
    return match["before"] + gateway + match["after"]


def _loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name in {"localhost", "localhost.localdomain"} or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
