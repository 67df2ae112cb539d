# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds ports of containers and services: they are reachable without a socket in this network namespace.

A guest without a container engine needs a few stat(2) every five seconds, and starts no program. With one,
the programs that list rules are started when the rules have changed, or, where nothing tells of that, every
five seconds.
"""

import sys

assert sys.platform == "linux"

import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from callao.guest.listeners import dnat, kubernetes
from callao.guest.listeners.background import BackgroundCommand
from callao.guest.listeners.sockets import Listener

RULES_PERIOD, SERVICES_PERIOD = 5.0, 10.0

ENGINE_PATHS = (
    "/run/containerd",
    "/run/docker.sock",
    "/run/podman",
    "/run/netavark",
    "/run/libpod",
    "/run/crio",
    "/run/k3s",
)
NFT_TABLES = (("inet", "netavark"), ("ip", "docker-bridges"))
"""The tables of Netavark and Docker. What iptables keeps in nftables is shown by iptables-save.

The engines create their tables with the first container. Listing a table that does not exist fails, so the
names of the existing ones are listed first.
"""

KUBERNETES = (
    ("/etc/rancher/k3s/k3s.yaml", ("kubectl",)),
    ("/etc/kubernetes/admin.conf", ("kubectl",)),
    ("/etc/rancher/rke2/rke2.yaml", ("/var/lib/rancher/rke2/bin/kubectl",)),
    ("/var/lib/k0s/pki/admin.conf", ("k0s", "kubectl")),
)
"""The kubeconfig of each distribution of Kubernetes, and its kubectl."""


class PortQuery(NamedTuple):
    """A command that lists ports, and the parser of its output."""

    command: "tuple[str, ...]"
    parse: "Callable[[str], dict[Listener, str]]"
    kubeconfig: "str" = ""


class ContainerPorts:
    """``root`` and ``which`` are for tests."""

    def __init__(self, root: str = "/", which: "Callable[[str], str | None]" = shutil.which) -> None:
        self._root = Path(root)
        self._which = which
        self._commands = {}  # type: dict[PortQuery, BackgroundCommand]
        self._published = {}  # type: dict[PortQuery, dict[Listener, str]]
        self._table_listing = None  # type: BackgroundCommand | None
        self._tables = set()  # type: set[tuple[str, str]]
        self._has_engine = False
        self._next_look = 0.0
        self._generation = None  # type: int | None

    @property
    def pending(self) -> bool:
        """Whether a command runs, or is to run soon, whose output is needed."""
        return any(command.pending for command in (*self._commands.values(), self._table_listing) if command)

    @property
    def has_cluster(self) -> bool:
        """Whether there is a cluster of Kubernetes, whose services are listed periodically."""
        return any(query.kubeconfig for query in self._commands)

    def scan(self, now: float, generation: "int | None" = None) -> "dict[Listener, str]":
        """The ports known now, each with its container's address, or "" where that is not known. Output of
        commands that are started here is included in later calls.

        :param generation: a number that changes with the packet filter's rules; None if there is none.
        """
        self._set_generation(generation)
        if now >= self._next_look:
            self._next_look = now + RULES_PERIOD
            self._look_for_engines()
            self._set_queries(set(self._queries()))
        listing = self._table_listing.poll_output(now) if self._table_listing else None
        tables = self._tables if listing is None else dnat.parse_tables(listing)
        if tables != self._tables:
            self._tables = tables
            self._set_queries(set(self._queries()))
        for query, command in self._commands.items():
            text = command.poll_output(now)
            if text is not None:
                self._published[query] = query.parse(text)
        return {each: address for found in self._published.values() for each, address in found.items()}

    def _set_generation(self, generation: "int | None") -> None:
        if generation == self._generation:
            return
        self._generation = generation
        self._next_look = 0.0  # an engine may have been started with the rules of its first container
        listings = [command for query, command in self._commands.items() if not query.kubeconfig]
        for command in (*listings, self._table_listing):
            if command:
                command.period = self._rules_period
                command.outdate()

    @property
    def _rules_period(self) -> float:
        return RULES_PERIOD if self._generation is None else math.inf

    def _look_for_engines(self) -> None:
        self._has_engine = any(self._exists(path) for path in ENGINE_PATHS)
        nft = self._which("nft") if self._has_engine else None
        if nft and not self._table_listing:
            self._table_listing = BackgroundCommand((nft, "-j", "list", "tables"), self._rules_period)
        elif not nft and self._table_listing:
            self._table_listing.close()
            self._table_listing, self._tables = None, set()

    def _set_queries(self, queries: "set[PortQuery]") -> None:
        for query in set(self._commands) - queries:
            self._commands.pop(query).close()
            self._published.pop(query, None)
        for query in queries - set(self._commands):
            environment = {**os.environ, "KUBECONFIG": query.kubeconfig} if query.kubeconfig else None
            period = SERVICES_PERIOD if query.kubeconfig else self._rules_period
            self._commands[query] = BackgroundCommand(query.command, period, environment)

    def _queries(self) -> "Iterator[PortQuery]":
        if self._has_engine:
            iptables_save, nft = self._which("iptables-save"), self._which("nft")
            if iptables_save:
                yield PortQuery((iptables_save, "-t", "nat"), dnat.parse_iptables)
            for family, table in NFT_TABLES if iptables_save else (("ip", "nat"), *NFT_TABLES):
                if nft and (family, table) in self._tables:
                    yield PortQuery((nft, "-j", "list", "table", family, table), dnat.parse_nft)
        for config, (name, *options) in KUBERNETES:
            program = self._which(name) if self._exists(config) else None
            if program:
                command = (program, *options, "--request-timeout=10s", "get", "services", "-A", "-o", "json")
                yield PortQuery(command, kubernetes.parse_services, config)
                break

    def _exists(self, path: str) -> bool:
        return (self._root / path.lstrip("/")).exists()

    def close(self) -> None:
        self._set_queries(set())
        if self._table_listing:
            self._table_listing.close()
