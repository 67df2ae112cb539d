# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects the guest's DNS queries from slirp's name server to the host's resolver."""

import shutil
import socket
from typing import NamedTuple

from callao.guest.log import warn
from callao.guest.network.commands import CommandFailed, run, run_succeeds

TABLE = "ip callao_dns"
CHAIN = "CALLAO-DNS"

NFT_CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
HOOKS = ("OUTPUT", "PREROUTING")
"""The guest's own queries, and those of its containers."""


class Resolver(NamedTuple):
    """The host's resolver: its ports at the gateway, and the network's own name server that it replaces."""

    udp: int
    tcp: int
    server: "str"
    gateway: "str"


def parse_resolver(message: "dict[str, object]") -> "Resolver | None":
    """The resolver that a message names; None if a field is missing or invalid."""
    udp, tcp, server, gateway = (message.get(key) for key in Resolver._fields)
    if not isinstance(udp, int) or not isinstance(tcp, int):
        return None
    if not isinstance(server, str) or not isinstance(gateway, str):
        return None
    return (
        Resolver(udp, tcp, server, gateway) if is_ipv4_address(server) and is_ipv4_address(gateway) else None
    )


def is_ipv4_address(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def nft_ruleset(resolver: Resolver) -> str:
    """The whole table, replaced at once."""
    rules = "\n".join(
        f"    ip daddr {resolver.server} {proto} dport 53 dnat to {resolver.gateway}:{port}"
        for proto, port in (("udp", resolver.udp), ("tcp", resolver.tcp))
    )
    heads = [f"type nat hook {hook.lower()} priority -100; policy accept;" for hook in HOOKS]
    chains = "\n".join(f"  chain at{n} {{\n    {head}\n{rules}\n  }}" for n, head in enumerate(heads))
    return f"{NFT_CLEAR}table {TABLE} {{\n{chains}\n}}\n"


def iptables_ruleset(resolver: Resolver) -> str:
    """For ``iptables-restore --noflush``."""
    rules = "\n".join(
        f"-A {CHAIN} -d {resolver.server} -p {proto} --dport 53"
        f" -j DNAT --to-destination {resolver.gateway}:{port}"
        for proto, port in (("udp", resolver.udp), ("tcp", resolver.tcp))
    )
    return f"*nat\n:{CHAIN} - [0:0]\n{rules}\nCOMMIT\n"


def redirect(resolver: Resolver) -> str:
    """Redirect queries to this resolver. Returns "" or the error; the previous name server is used then."""
    try:
        if shutil.which("nft"):
            run(["nft", "-f", "-"], nft_ruleset(resolver))
        elif shutil.which("iptables-restore"):
            run(["iptables-restore", "--noflush"], iptables_ruleset(resolver))
            for hook in HOOKS:
                if not run_succeeds(["iptables", "-w", "-t", "nat", "-C", hook, "-j", CHAIN]):
                    run(["iptables", "-w", "-t", "nat", "-I", hook, "-j", CHAIN])
        else:
            return "neither nft nor iptables is there"
    except (CommandFailed, OSError) as error:
        warn(f"cannot redirect DNS queries to the host's resolver: {error}")
        return str(error)
    return ""


def remove_redirect() -> None:
    """Let slirp's name server answer again."""
    if shutil.which("nft"):
        run_succeeds(["nft", "-f", "-"], NFT_CLEAR)
    elif shutil.which("iptables"):
        for hook in HOOKS:
            run_succeeds(["iptables", "-w", "-t", "nat", "-D", hook, "-j", CHAIN])
