# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of containers and services: what is reachable without a socket of this network namespace.

A guest without a container engine pays a few stat(2) every five seconds, and starts no program.
"""

import sys

assert sys.platform == "linux"

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from callao.guest.listeners import dnat, kubernetes
from callao.guest.listeners.background import BackgroundCommand
from callao.guest.listeners.sockets import Listener

RULES_PERIOD, SERVICES_PERIOD = 5.0, 10.0

ENGINES = (
    "/run/containerd",
    "/run/docker.sock",
    "/run/podman",
    "/run/netavark",
    "/run/libpod",
    "/run/crio",
    "/run/k3s",
)
NFT_TABLES = (("inet", "netavark"), ("ip", "docker-bridges"))
"""Netavark's and Docker's own; what iptables keeps in nftables is shown by iptables-save.

They come with the first container. To ask for one that is not there fails: which are there is asked first.
"""

KUBECONFIGS = ("/etc/rancher/k3s/k3s.yaml", "/etc/kubernetes/admin.conf")


class Question(NamedTuple):
    """What to ask, what its output means, and how often."""

    command: "tuple[str, ...]"
    parse: "Callable[[str], set[Listener]]"
    period: "float"
    kubeconfig: "str" = ""


class Containers:
    """``root`` and ``which`` are for tests."""

    def __init__(self, root: str = "/", which: "Callable[[str], str | None]" = shutil.which) -> None:
        self._root = Path(root)
        self._which = which
        self._asked = {}  # type: dict[Question, BackgroundCommand]
        self._found = {}  # type: dict[Question, set[Listener]]
        self._listed = None  # type: BackgroundCommand | None
        self._tables = set()  # type: set[tuple[str, str]]
        self._engine = False
        self._next = 0.0

    @property
    def asking(self) -> bool:
        """Whether an answer is on its way."""
        return any(command.running for command in (*self._asked.values(), self._listed) if command)

    def scan(self, now: float) -> "set[Listener]":
        """What is known by now; the answers to what is asked here come with later calls."""
        if now >= self._next:
            self._next = now + RULES_PERIOD
            self._look_for_engines()
            self._choose(set(self._questions()))
        listed = self._listed.output(now) if self._listed else None
        tables = self._tables if listed is None else dnat.tables(listed)
        if tables != self._tables:
            self._tables = tables
            self._choose(set(self._questions()))
        for question, command in self._asked.items():
            text = command.output(now)
            if text is not None:
                self._found[question] = question.parse(text)
        return {each for found in self._found.values() for each in found}

    def _look_for_engines(self) -> None:
        self._engine = any(self._present(path) for path in ENGINES)
        nft = self._which("nft") if self._engine else None
        if nft and not self._listed:
            self._listed = BackgroundCommand((nft, "-j", "list", "tables"), RULES_PERIOD)
        elif not nft and self._listed:
            self._listed.end()
            self._listed, self._tables = None, set()

    def _choose(self, wanted: "set[Question]") -> None:
        for question in set(self._asked) - wanted:
            self._asked.pop(question).end()
            self._found.pop(question, None)
        for question in wanted - set(self._asked):
            environment = {**os.environ, "KUBECONFIG": question.kubeconfig} if question.kubeconfig else None
            self._asked[question] = BackgroundCommand(question.command, question.period, environment)

    def _questions(self) -> "Iterator[Question]":
        if self._engine:
            save, nft = self._which("iptables-save"), self._which("nft")
            if save:
                yield Question((save, "-t", "nat"), dnat.from_iptables, RULES_PERIOD)
            for family, table in NFT_TABLES if save else (("ip", "nat"), *NFT_TABLES):
                if nft and (family, table) in self._tables:
                    yield Question((nft, "-j", "list", "table", family, table), dnat.from_nft, RULES_PERIOD)
        config = next((path for path in KUBECONFIGS if self._present(path)), "")
        kubectl = self._which("kubectl") if config else None
        if kubectl:
            command = (kubectl, "--request-timeout=10s", "get", "services", "-A", "-o", "json")
            yield Question(command, kubernetes.from_services, SERVICES_PERIOD, config)

    def _present(self, path: str) -> bool:
        return (self._root / path.lstrip("/")).exists()

    def end(self) -> None:
        self._choose(set())
        if self._listed:
            self._listed.end()
