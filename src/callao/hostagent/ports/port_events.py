# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each of the guest's listeners, told once: Lima's events of port forwarding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from callao.ports import HostEnd, Listener, Ruleset, WantedForward


class Kind(StrEnum):
    """Lima's types of event."""

    FORWARDING = "forwarding"
    NOT_FORWARDING = "not-forwarding"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class _Fate:
    kind: Kind
    host: str = ""
    error: str = ""


Tell = Callable[[dict[str, str]], None]
"""Told one of Lima's events, with the keys that it has."""


@dataclass
class PortNews:
    """For one machine.

    :param sockets: the folder of a ``hostSocket`` that is not absolute.
    :param changed: told when any event was.
    """

    tell_one: Tell
    changed: Callable[[], None]
    sockets: Path
    _told: dict[Listener, _Fate] = field(default_factory=dict)

    def tell(
        self,
        rules: Ruleset,
        by_listener: Mapping[Listener, WantedForward | None],
        chosen: Mapping[HostEnd, WantedForward],
        open_now: Collection[WantedForward],
        refused: Mapping[WantedForward, str],
    ) -> None:
        """Tell what is new.

        :param by_listener: each listener's own forward, None where it stays in the guest.
        :param chosen: by each end on the host, the forward that has it.
        :param open_now: those of the chosen that are there.
        :param refused: those that could not be had, and why.
        """
        fates: dict[Listener, _Fate] = {}
        for listener, wanted in by_listener.items():
            fate = self._fate(wanted, chosen, open_now, refused)
            if fate.kind is not Kind.NOT_FORWARDING or not rules.disables(listener.proto):
                fates[listener] = fate
        news = False
        for listener, before in self._told.items():
            if before.kind is Kind.FORWARDING and fates.get(listener) != before:
                self.tell_one(event(Kind.STOPPING, listener.proto, _end(listener), before.host))
                news = True
        for listener, fate in fates.items():
            if self._told.get(listener) != fate:
                self.tell_one(event(fate.kind, listener.proto, _end(listener), fate.host, fate.error))
                news = True
        self._told = fates
        if news:
            self.changed()

    def _fate(
        self,
        wanted: WantedForward | None,
        chosen: Mapping[HostEnd, WantedForward],
        open_now: Collection[WantedForward],
        refused: Mapping[WantedForward, str],
    ) -> _Fate:
        if wanted is None:
            return _Fate(Kind.NOT_FORWARDING)
        host = str(self.sockets / wanted.host_socket) if wanted.host_socket else ""
        host = host or address(wanted.host_ip, wanted.host_port)
        one = chosen[wanted.host_end]
        if wanted in refused:
            return _Fate(Kind.FAILED, host, refused[wanted])
        if one in open_now:  # also for a listener on another address of that port: a server on each, say
            return _Fate(Kind.FORWARDING, host)
        return _Fate(Kind.FAILED, host, refused.get(one, ""))


def event(kind: str, protocol: str, guest: str, host: str, error: str = "") -> dict[str, str]:
    """Lima's event; what is empty is left out."""
    said = {"type": str(kind), "protocol": protocol, "guestAddr": guest, "hostAddr": host, "error": error}
    return {key: value for key, value in said.items() if value}


def address(ip: str, port: int) -> str:
    """An address and its port as Go joins them."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _end(listener: Listener) -> str:
    return address(listener.ip, listener.port)
