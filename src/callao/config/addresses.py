# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the IP and MAC addresses in lima.yaml."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> IPAddress:
    """An address; an IPv4 address that is mapped into IPv6 (``::ffff:a.b.c.d``) is the IPv4 address.

    :raises ValueError: for any other text, and for an address with a zone.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text!r} has a zone")
        return address.ipv4_mapped or address
    return address


def canonical_address(text: str) -> str:
    """The address in canonical form; other text is returned unchanged, and validation refuses it later."""
    try:
        return str(parse_address(text))
    except ValueError:
        return text


def with_colons(mac_address: str) -> str:
    """A MAC address as Linux writes it."""
    digits = "".join(each for each in mac_address.lower() if each not in ":-.")
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))
