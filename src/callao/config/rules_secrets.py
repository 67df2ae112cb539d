# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules of ``secrets``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.config.egress_rules import EgressRule, InvalidRule, parse_rule
from callao.config.names import is_hostname
from callao.errors import Problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HOST = re.compile(r"([^:]+)(?::([0-9]{1,5}))?", re.ASCII)
_HTTP, _HTTPS = 80, 443
_LONGEST_HOST = 253
MOST = 64

Document = Mapping[str, Any]
Problems = Iterator[Problem]


def secret_host(text: str) -> tuple[str, int] | None:
    """Name and port of an entry of ``hosts``; None where it has none."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower().removesuffix("."), int(match[2] or _HTTPS)
    labels = name.split(".")
    is_name = len(name) <= _LONGEST_HOST and all(is_hostname(each) for each in labels)
    if not is_name or labels[-1].isdecimal() or not 1 <= port <= 65535 or port == _HTTP:
        return None
    return name, port


def secrets(filled: Document) -> Problems:
    """Each secret has a name of its own, one source, and servers exactly where it is injected."""
    entries = filled.get("secrets") or []
    if len(entries) > MOST:
        yield Problem("secrets", f"{len(entries)} entries", "are too many", f"at most {MOST}")
    if entries and not filled["user"]["passwordlessSudo"]:
        message = "needs user.passwordlessSudo: the host puts them in by sudo"
        yield Problem("secrets", f"{len(entries)} entries", message, "true, or no secrets")
    if entries and filled["os"] != "Linux":
        yield Problem("secrets", f"{len(entries)} entries", f"are not for os {filled['os']}", "Linux")
    names: set[str] = set()
    for index, entry in enumerate(entries):
        place, name = f"secrets[{index}]", entry.get("name", "")
        if not _NAME.fullmatch(name):
            allowed = "a letter or _, then at most 63 letters, digits, _, . and -"
            yield Problem(f"{place}.name", name, "cannot be a secret's name", allowed)
        if name in names:
            yield Problem(f"{place}.name", name, "is there twice", "a name of its own")
        names.add(name)
        yield from _source(entry, place)
        yield from _injection(entry, place, filled)


def _source(entry: Document, place: str) -> Problems:
    file, variable = entry.get("file"), entry.get("env")
    if file and variable:
        yield Problem(f"{place}.env", variable, "is a second source beside file", "file or env")
    if file and not file.startswith(("/", "~")):
        yield Problem(f"{place}.file", file, "is not absolute", "an absolute path, or one below ~")
    if variable and not _VARIABLE.fullmatch(variable):
        yield Problem(f"{place}.env", variable, "is not a variable's name", "letters, digits and _")


def _injection(entry: Document, place: str, filled: Document) -> Problems:
    hosts, authorities = entry.get("hosts") or [], entry.get("caFile")
    if not entry.get("inject"):
        for key, value in (("hosts", hosts), ("caFile", authorities)):
            if value:
                yield Problem(f"{place}.{key}", value, "is for a secret with inject", "inject: true")
        return
    if authorities and not authorities.startswith(("/", "~")):
        message = "is not absolute"
        yield Problem(f"{place}.caFile", authorities, message, "an absolute path, or one below ~")
    if not hosts:
        yield Problem(f"{place}.hosts", hosts, "is empty", "the servers that get the value")
    if filled.get("egress") is None:
        message = "needs egress: the value is put in where the rules are enforced"
        yield Problem(f"{place}.inject", True, message, "egress with rules for hosts, or inject: false")
        return
    rules = list(_rules(filled["egress"]))
    for number, host in enumerate(hosts):
        found = secret_host(host)
        if found is None:
            yield Problem(
                f"{place}.hosts[{number}]",
                host,
                "is not a host name",
                "NAME or NAME:PORT, not port 80, by HTTPS",
            )
        elif not any(rule.matches_name(found[0]) and rule.has_port(found[1]) for rule in rules):
            message = "is not allowed by egress"
            yield Problem(f"{place}.hosts[{number}]", host, message, f"{host} in egress.allow")


def _rules(egress: Document) -> Iterator[EgressRule]:
    for entry in egress.get("allow") or ():
        try:
            yield parse_rule(entry)
        except InvalidRule:  # reported by the rules of egress
            continue
