# SPDX-License-Identifier: GPL-3.0-or-later
"""A network brought to the state that somebody wants: planned first, then written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.config.named_networks import host_interfaces, overlaps, unusable
from callao.config.network import NetworkDefinition, Networks
from callao.config.networks_rules import linux_problems, name_problem
from callao.config.networks_yaml import (
    DEFAULT_NETWORK,
    networks_file,
    networks_text,
    parse_networks,
    with_built_in,
)
from callao.errors import ConfigError, NetworkError, NetworkInUse
from callao.networks import edit
from callao.networks.request import NetworkRequest, NetworkState, wanted_entry
from callao.networks.users import running_users, users

Entry = dict[str, Any]


@dataclass(frozen=True)
class NetworkOutcome:
    """What changed (or would, in check mode), by :func:`summary`; None for no network."""

    changed: bool
    before: Entry | None = None
    after: Entry | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """The next text, and whether it has all comments; ``text`` is None where nothing changes."""

    before: NetworkDefinition | None
    after: NetworkDefinition | None
    text: str | None = None
    comments_kept: bool = True
    notices: tuple[str, ...] = ()


def summary(network: NetworkDefinition) -> Entry:
    """One network for people and programs, in the spelling and order of networks.yaml."""
    found = {
        "name": network.name,
        "mode": network.mode.value,
        "interface": network.interface,
        "gateway": network.gateway,
        "dhcpEnd": network.dhcp_end,
        "netmask": network.netmask,
    }
    return {key: str(value) for key, value in found.items() if value}


def ensure_network(request: NetworkRequest, *, home: Path, check: bool) -> NetworkOutcome:
    """Bring the network to the requested state; with ``check``, only tell what would be done.

    :raises ConfigError: for a wrong option, or a networks.yaml that would have a problem.
    :raises NetworkError: when it is to be new, and there is one of that name.
    :raises NetworkInUse: when instances name a network that is to be deleted.
    """
    problem = name_problem(request.name, "name")
    if problem is not None:
        raise ConfigError([problem])
    if check:
        return _outcome(_plan(request, home), ())
    with edit.held(home):
        plan = _plan(request, home)
        if plan.text is None:
            return _outcome(plan, ())
        copy = edit.write(home, plan.text, comments_kept=plan.comments_kept)
    lost = f"the comments in {networks_file(home)} could not be kept: the former file is {copy}."
    return _outcome(plan, (lost,) if copy else ())


def networks_of(home: Path, wanted: str | None = None) -> list[Entry]:
    """Every network, or the one of that name, each with the instances that name it."""
    networks = parse_networks(networks_text(home), source=str(networks_file(home))).by_name
    return [
        {**summary(each), "subnet": str(each.subnet or ""), "instances": users(name, home)}
        for name, each in networks.items()
        if wanted in (None, name)
    ]


def _outcome(plan: _Plan, notices: tuple[str, ...]) -> NetworkOutcome:
    before, after = (None if each is None else summary(each) for each in (plan.before, plan.after))
    return NetworkOutcome(plan.text is not None, before, after, (*plan.notices, *notices))


def _plan(request: NetworkRequest, home: Path) -> _Plan:
    text = networks_text(home)
    there = parse_networks(text, source=str(networks_file(home)))
    written = edit.entries(text)
    if request.state == NetworkState.ABSENT:
        return _absent(request, home, text, there, written)
    before = there.by_name.get(request.name)
    if request.new and before is not None:
        raise NetworkError(
            f"network {request.name!r} exists already in {networks_file(home)}.",
            hint="Choose another name, or delete it first.",
        )
    current = with_built_in(written)
    entry = wanted_entry(request, current[request.name] if before is not None else {})
    # The built-in network goes as soon as the file has another of its mode, so it is written down then.
    others = current if DEFAULT_NETWORK in there.by_name and before is None else written
    new, kept = edit.with_entries(text, {**others, request.name: entry})
    after = _validated(new).by_name[request.name]
    if after == before:
        return _Plan(before, after)
    problems = list(unusable(after, home))
    if sys.platform == "linux":
        problems += linux_problems(after)
    if problems:
        raise ConfigError(problems)
    notices = [f"network {request.name}: {each}." for each in overlaps(after, host_interfaces())]
    notices += [
        f"network {request.name} changes, and instance {each} runs on it: stop it and start it again."
        for each in (running_users(request.name, home) if before is not None else ())
    ]
    return _Plan(before, after, new, kept, tuple(notices))


def _absent(
    request: NetworkRequest, home: Path, text: str, there: Networks, written: Mapping[str, Any]
) -> _Plan:
    before = there.by_name.get(request.name)
    if request.name not in written:
        built_in = f"network {request.name} is built in while no other network has its mode, and stays."
        return _Plan(before, before, notices=() if before is None else (built_in,))
    named_by = [] if request.force else users(request.name, home)
    if named_by:
        raise NetworkInUse(
            f"network {request.name!r} is not deleted: networks of {', '.join(named_by)} name it.",
            hint="Take it out of there first, or delete it with force.",
        )
    rest = {name: entry for name, entry in written.items() if name != request.name}
    new, kept = edit.with_entries(text, rest)
    after = _validated(new).by_name.get(request.name)
    return _Plan(before, after, new, kept)


def _validated(text: str) -> Networks:
    """What a text says that is not written yet, so that lines of it mean nothing to anybody."""
    try:
        return parse_networks(text)
    except ConfigError as error:
        raise ConfigError([each._replace(line=0, column=0) for each in error.problems]) from None
