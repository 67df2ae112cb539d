# SPDX-License-Identifier: GPL-3.0-or-later
"""What a packet filter's chains may do with a new connection that comes in by the NIC. Pure functions.

A rule's conditions are not evaluated: one that drops or rejects something may drop anything. So a filter may
be taken for closed that is open in fact. A connection is made inside the guest then, which is slower and
gets through.
"""

import sys

assert sys.platform == "linux"

from collections.abc import Iterable
from typing import NamedTuple

from callao.guest.listeners.sockets import Listener
from callao.guest.messages import DNAT, FILTERED

INPUT, FORWARD = 1, 2
"""Hooks, as in linux/netfilter.h: packets for the guest itself, and for its containers."""


class Table(NamedTuple):
    family: "int"
    name: "str"


class Chain(NamedTuple):
    """``hook`` is None for a chain that only others jump to."""

    table: "Table"
    name: "str"
    hook: "int | None" = None
    drops: "bool" = False
    """Whether its policy is to drop."""


class Rule(NamedTuple):
    """``drops``: whether it drops or rejects what it matches. ``jumps``: the chains that it goes to.
    ``accepts``: the IPv4 address for which it accepts new connections, if it names one.
    """

    table: "Table"
    chain: "str"
    drops: "bool" = False
    jumps: "tuple[str, ...]" = ()
    accepts: "str" = ""


class Closed(NamedTuple):
    """``input``: whether a filter may drop what is for the guest itself. ``forward``: for each table that
    may drop what is for a container, the addresses that it accepts.
    """

    input: "bool" = False
    forward: "tuple[frozenset[str], ...]" = ()

    def for_container(self, address: str) -> bool:
        """Whether a filter may drop what is for a container."""
        return any(address not in accepted for accepted in self.forward)


def evaluate(chains: "Iterable[Chain]", rules: "Iterable[Rule]") -> Closed:
    """What these chains may drop. Tables are passed in turn: what one drops, no other can accept."""
    all_chains, by_chain = list(chains), {}  # type: list[Chain], dict[tuple[Table, str], list[Rule]]
    for rule in rules:
        by_chain.setdefault((rule.table, rule.chain), []).append(rule)
    is_closed, forward = False, {}  # type: bool, dict[Table, frozenset[str]]
    for hook in (INPUT, FORWARD):
        for chain in all_chains:
            if chain.hook != hook:
                continue
            reached = _reached(chain, by_chain)
            if not chain.drops and not any(rule.drops for rule in reached):
                continue
            if hook == INPUT:
                is_closed = True
            else:
                accepted = frozenset(rule.accepts for rule in reached if rule.accepts)
                forward[chain.table] = forward.get(chain.table, accepted) & accepted
    return Closed(is_closed, tuple(forward.values()))


def _reached(base: Chain, by_chain: "dict[tuple[Table, str], list[Rule]]") -> "list[Rule]":
    """The rules of a chain and of those that it goes to."""
    seen, names, rules = {base.name}, [base.name], []  # type: set[str], list[str], list[Rule]
    for name in names:  # grows meanwhile
        for rule in by_chain.get((base.table, name), ()):
            rules.append(rule)
            names += [each for each in rule.jumps if each not in seen]
            seen.update(rule.jumps)
    return rules


def mark_filtered(
    listeners: "set[Listener]", published: "dict[Listener, str]", closed: Closed
) -> "set[Listener]":
    """All listeners, those with the source ``filtered`` that a filter may close to what comes in by the NIC.

    :param published: a container's ports with the container's address, or "" where that is not known.
    """
    ends = {(each.proto, each.port): address for each, address in published.items()}
    marked = set()
    for each in listeners | set(published):
        address = ends.get((each.proto, each.port))
        is_forwarded = each.source == DNAT or (address is not None and not _is_loopback(each))
        filtered = bool(address) and closed.for_container(str(address)) if is_forwarded else closed.input
        marked.add(each._replace(source=FILTERED) if filtered and _comes_by_nic(each) else each)
    return marked


def _comes_by_nic(listener: Listener) -> bool:
    """Whether what is for it may come by the NIC: all but a container's port on the loopback."""
    return listener.source in ("socket", DNAT) and not (listener.source == DNAT and _is_loopback(listener))


def _is_loopback(listener: Listener) -> bool:
    return listener.address.startswith("127.")
