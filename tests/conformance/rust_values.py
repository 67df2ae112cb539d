# SPDX-License-Identifier: GPL-3.0-or-later
"""How Rust reads numbers and addresses (core::num, std::net, mac_address 1.1.5)."""

from __future__ import annotations

import re

from clap import USAGE
from verdict import Refusal


def unsigned(text: str, bits: int, why: str) -> int:
    """``str::parse`` of an unsigned number: digits, and a plus sign before them."""
    if not re.fullmatch(r"\+?[0-9]+", text) or int(text) >= 1 << bits:
        raise Refusal(why, exit=USAGE)
    return int(text)


def signed(text: str, bits: int, why: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text) or not -(1 << (bits - 1)) <= int(text) < 1 << (bits - 1):
        raise Refusal(why, exit=USAGE)
    return int(text)


def mac_address(text: str) -> str:
    """Six hexadecimal numbers below 256, with colons or dashes between them."""
    numbers = re.split("[:-]", text)
    if len(numbers) != 6 or not all(re.fullmatch(r"\+?[0-9a-fA-F]+", each) for each in numbers):
        raise Refusal("not a MAC address", exit=USAGE)
    octets = [int(each, 16) for each in numbers]
    if max(octets) > 255:
        raise Refusal("not a MAC address", exit=USAGE)
    return ":".join(f"{each:02x}" for each in octets)


def is_ipv4(text: str) -> bool:
    """Four decimal octets without leading zeros."""
    octets = text.split(".")
    return len(octets) == 4 and all(
        re.fullmatch(r"0|[1-9][0-9]{0,2}", each) is not None and int(each) < 256 for each in octets
    )
