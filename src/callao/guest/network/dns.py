# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads the guest's DNS to the host's resolver: what goes to slirp's name server goes there instead."""

import shutil
import socket
from typing import NamedTuple

from callao.guest.log import warn
from callao.guest.network.commands import Failed, run, succeeds

TABLE = "ip callao_dns"
CHAIN = "CALLAO-DNS"

NFT_CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
HOOKS = ("OUTPUT", "PREROUTING")
"""The guest's own queries, and those of its containers."""


class Resolver(NamedTuple):
    """The host's: its ports at the gateway, and the network's own name server, in whose place it answers."""

    udp: int
    tcp: int
    server: "str"
    gateway: "str"


def resolver(message: "dict[str, object]") -> "Resolver | None":
    """Which one a message names; None for none."""
    udp, tcp, server, gateway = (message.get(key) for key in Resolver._fields)
    if not isinstance(udp, int) or not isinstance(tcp, int):
        return None
    if not isinstance(server, str) or not isinstance(gateway, str):
        return None
    return Resolver(udp, tcp, server, gateway) if is_address(server) and is_address(gateway) else None


def is_address(text: str) -> bool:
    """Of IPv4."""
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def nft(at: Resolver) -> str:
    """The whole table, replaced at once."""
    rules = "\n".join(
        f"    ip daddr {at.server} {proto} dport 53 dnat to {at.gateway}:{port}"
        for proto, port in (("udp", at.udp), ("tcp", at.tcp))
    )
    heads = [f"type nat hook {hook.lower()} priority -100; policy accept;" for hook in HOOKS]
    chains = "\n".join(f"  chain at{n} {{\n    {head}\n{rules}\n  }}" for n, head in enumerate(heads))
    return f"{NFT_CLEAR}table {TABLE} {{\n{chains}\n}}\n"


def iptables(at: Resolver) -> str:
    """For ``iptables-restore --noflush``."""
    rules = "\n".join(
        f"-A {CHAIN} -d {at.server} -p {proto} --dport 53 -j DNAT --to-destination {at.gateway}:{port}"
        for proto, port in (("udp", at.udp), ("tcp", at.tcp))
    )
    return f"*nat\n:{CHAIN} - [0:0]\n{rules}\nCOMMIT\n"


def resolve_by(at: Resolver) -> str:
    """From now on by this one. What went wrong, or ""; then the network's server stays."""
    try:
        if shutil.which("nft"):
            run(["nft", "-f", "-"], nft(at))
        elif shutil.which("iptables-restore"):
            run(["iptables-restore", "--noflush"], iptables(at))
            for hook in HOOKS:
                if not succeeds(["iptables", "-w", "-t", "nat", "-C", hook, "-j", CHAIN]):
                    run(["iptables", "-w", "-t", "nat", "-I", hook, "-j", CHAIN])
        else:
            return "neither nft nor iptables is there"
    except (Failed, OSError) as error:
        warn(f"DNS cannot be led to the host's resolver: {error}")
        return str(error)
    return ""


def clear() -> None:
    """Back to slirp's server."""
    if shutil.which("nft"):
        succeeds(["nft", "-f", "-"], NFT_CLEAR)
    elif shutil.which("iptables"):
        for hook in HOOKS:
            succeeds(["iptables", "-w", "-t", "nat", "-D", hook, "-j", CHAIN])
