# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the packet filter's rules by which ports of 127.0.0.1 are reachable at the NIC's address. Pure
functions.

``route_localnet`` accepts packets for 127.0.0.0/8 from the network. So packets that arrive with such an
address are dropped before the address translation: a connection to an exposed port arrives with the NIC's
address. Packets from 127.0.0.1 leave only as answers to such a connection.
"""

import sys

assert sys.platform == "linux"

from callao.guest.network.nic import Nic

TABLE = "inet callao"
CHAIN, CHAIN_OUT = "CALLAO", "CALLAO-OUT"

NFT_CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
"""The table is declared first, so that its deletion succeeds whether or not it exists."""

IPTABLES_JUMPS = (
    ("raw", "PREROUTING", CHAIN),
    ("mangle", "POSTROUTING", CHAIN_OUT),
    ("nat", "PREROUTING", CHAIN),
)
"""For iptables: the table, its built-in chain, and our chain that it jumps to."""


def nft_ruleset(nic: Nic, ports: "list[tuple[str, int]]") -> str:
    """The whole table, replaced atomically. The priorities are raw, mangle and dstnat, as numbers because
    old versions of nft do not know the names.
    """
    lines = []
    for proto in ("tcp", "udp"):
        numbers = ", ".join(str(port) for each, port in ports if each == proto)
        if numbers:
            match = f'iifname "{nic.name}" ip daddr {nic.address} {proto} dport {{ {numbers} }}'
            lines.append(f"    {match} dnat ip to 127.0.0.1")
    forwards = "\n".join(lines)
    return f"""{NFT_CLEAR}table {TABLE} {{
  chain guard {{
    type filter hook prerouting priority -300; policy accept;
    iifname "{nic.name}" ip daddr 127.0.0.0/8 drop
    iifname "{nic.name}" ip saddr 127.0.0.0/8 drop
  }}
  chain answers {{
    type filter hook postrouting priority -150; policy accept;
    oifname "{nic.name}" ip saddr 127.0.0.0/8 ct status & dnat == 0 drop
  }}
  chain forwards {{
    type nat hook prerouting priority -100; policy accept;
{forwards}
  }}
}}
"""


def iptables_ruleset(nic: Nic, ports: "list[tuple[str, int]]") -> str:
    """Input for ``iptables-restore --noflush``: it empties the chains named here, and keeps all others."""
    head = f"-A {CHAIN} -i {nic.name} -d {nic.address}"
    forwards = "\n".join(
        f"{head} -p {proto} --dport {port} -j DNAT --to-destination 127.0.0.1" for proto, port in ports
    )
    return f"""*raw
:{CHAIN} - [0:0]
-A {CHAIN} -i {nic.name} -d 127.0.0.0/8 -j DROP
-A {CHAIN} -i {nic.name} -s 127.0.0.0/8 -j DROP
COMMIT
*mangle
:{CHAIN_OUT} - [0:0]
-A {CHAIN_OUT} -o {nic.name} -s 127.0.0.0/8 -m conntrack ! --ctstate DNAT -j DROP
COMMIT
*nat
:{CHAIN} - [0:0]
{forwards}
COMMIT
"""


def parse_ports(ports: object) -> "tuple[list[tuple[str, int]], list[object]]":
    """The valid ports of a message, sorted and without duplicates, and the invalid entries."""
    if not isinstance(ports, list):
        return [], [ports]
    valid, invalid = set(), []  # type: set[tuple[str, int]], list[object]
    for each in ports:
        proto, port = each if isinstance(each, list) and len(each) == 2 else (None, None)
        if proto in ("tcp", "udp") and type(port) is int and 0 < port < 65536:
            valid.add((str(proto), port))
        else:
            invalid.append(each)
    return sorted(valid), invalid
