# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads the guest's DNS to the host's resolver: what goes to slirp's name server goes there instead."""

import shutil

from callao.guest.log import warn
from callao.guest.network.commands import Failed, run, succeeds

TABLE = "ip callao_dns"
CHAIN = "CALLAO-DNS"
GATEWAY, SERVER = "192.168.5.2", "192.168.5.3"

NFT_CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
HOOKS = ("OUTPUT", "PREROUTING")
"""The guest's own queries, and those of its containers."""


def nft(udp: int, tcp: int) -> str:
    """The whole table, replaced at once."""
    rules = "\n".join(
        f"    ip daddr {SERVER} {proto} dport 53 dnat to {GATEWAY}:{port}"
        for proto, port in (("udp", udp), ("tcp", tcp))
    )
    heads = [f"type nat hook {hook.lower()} priority -100; policy accept;" for hook in HOOKS]
    chains = "\n".join(f"  chain at{n} {{\n    {head}\n{rules}\n  }}" for n, head in enumerate(heads))
    return f"{NFT_CLEAR}table {TABLE} {{\n{chains}\n}}\n"


def iptables(udp: int, tcp: int) -> str:
    """For ``iptables-restore --noflush``."""
    rules = "\n".join(
        f"-A {CHAIN} -d {SERVER} -p {proto} --dport 53 -j DNAT --to-destination {GATEWAY}:{port}"
        for proto, port in (("udp", udp), ("tcp", tcp))
    )
    return f"*nat\n:{CHAIN} - [0:0]\n{rules}\nCOMMIT\n"


def resolve_by(udp: object, tcp: object) -> str:
    """From now on by these ports of the host. What went wrong, or ""; then slirp's server stays."""
    if not isinstance(udp, int) or not isinstance(tcp, int):
        return "not two ports"
    try:
        if shutil.which("nft"):
            run(["nft", "-f", "-"], nft(udp, tcp))
        elif shutil.which("iptables-restore"):
            run(["iptables-restore", "--noflush"], iptables(udp, tcp))
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
