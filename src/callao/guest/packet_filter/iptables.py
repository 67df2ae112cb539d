# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the output of ``iptables-save``. Pure functions."""

import sys

assert sys.platform == "linux"

import re

from callao.guest.packet_filter.chains import FORWARD, INPUT, Chain, Closed, Rule, Table, evaluate

FILTER = Table(2, "filter")
HOOKS = {"INPUT": INPUT, "FORWARD": FORWARD}
DROPS, NO_CHAINS = ("DROP", "REJECT", "NFQUEUE"), ("ACCEPT", "RETURN", "LOG", "MARK", "NFLOG")

WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)|(")')
"""A word in quotes, one without them, or a quote that does not end. shlex takes ten times as long."""


def rule_options(line: str) -> "dict[str, str | None]":
    """The options of a rule, by name; None where the rule negates one. Empty for a line that is no rule."""
    words = []
    for quoted, plain, unended in WORD.findall(line):
        if unended:
            return {}
        words.append(plain or quoted)
    options = {}
    for index, word in enumerate(words[:-1]):
        if word.startswith("-"):
            options[word] = None if words[index - 1] == "!" else words[index + 1]
    return options


def parse_filter(text: str) -> Closed:
    """What the rules in the output of ``iptables-save -t filter`` may drop."""
    chains, rules = [], []  # type: list[Chain], list[Rule]
    for line in text.splitlines():
        if line.startswith(":"):
            name, _, policy = line[1:].partition(" ")
            chains.append(Chain(FILTER, name, HOOKS.get(name), policy.startswith("DROP ")))
        elif line.startswith("-A "):
            rules.append(_parse_rule(rule_options(line)))
    return evaluate(chains, rules)


def _parse_rule(options: "dict[str, str | None]") -> Rule:
    target = options.get("-j") or options.get("-g") or ""
    address, _, bits = (options.get("-d") or "").partition("/")
    accepts = target == "ACCEPT" and bits == "32" and "--ctstate" not in options and "--state" not in options
    jumps = () if target in (*DROPS, *NO_CHAINS) else (target,)
    return Rule(FILTER, options.get("-A") or "", target in DROPS, jumps, address if accepts else "")
