# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter's rules that make ports of 127.0.0.1 reachable at the NIC's address. Pure.

``route_localnet`` lets packets for 127.0.0.0/8 in from the network. So all that name such an address on
the wire are dropped before the translation; what is translated still names the NIC's address there.
And what answers from 127.0.0.1 leaves only as the answer to such a connection.
"""

import sys

assert sys.platform == "linux"

from callao.guest.network.nic import Nic

TABLE = "inet callao"
CHAIN, CHAIN_OUT = "CALLAO", "CALLAO-OUT"

NFT_CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
"""To declare it first makes the deletion succeed whether or not there is one."""

JUMPS = (("raw", "PREROUTING", CHAIN), ("mangle", "POSTROUTING", CHAIN_OUT), ("nat", "PREROUTING", CHAIN))
"""iptables: tables, built-in chains, and ours that they lead to."""


def nft(nic: Nic, ports: "list[tuple[str, int]]") -> str:
    """The whole table, replaced at once. Priorities: raw, mangle, dstnat; old programs know no names."""
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


def iptables(nic: Nic, ports: "list[tuple[str, int]]") -> str:
    """For ``iptables-restore --noflush``: naming our chains empties them, and leaves all others alone."""
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


def wanted(ports: object) -> "tuple[list[tuple[str, int]], list[object]]":
    """What of a message's ports is one, without repetition and sorted, and what is not."""
    if not isinstance(ports, list):
        return [], [ports]
    good, bad = set(), []  # type: set[tuple[str, int]], list[object]
    for each in ports:
        proto, port = each if isinstance(each, list) and len(each) == 2 else (None, None)
        if proto in ("tcp", "udp") and type(port) is int and 0 < port < 65536:
            good.add((str(proto), port))
        else:
            bad.append(each)
    return sorted(good), bad
