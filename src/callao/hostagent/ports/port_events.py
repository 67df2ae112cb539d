# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for each of the guest's listeners whether it is forwarded: Lima's events of port forwarding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from callao.ports import HostEnd, Listener, Ruleset, WantedForward, join_host_port


class PortEventType(StrEnum):
    """Lima's types of events."""

    FORWARDING = "forwarding"
    NOT_FORWARDING = "not-forwarding"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True)
class _Outcome:
    kind: PortEventType
    host: str = ""
    error: str = ""


Emit = Callable[[dict[str, str]], None]
"""Called with one of Lima's events."""


@dataclass
class PortEvents:
    """Compares outcomes with those reported before, for one machine.

    :param sockets: the folder of a ``hostSocket`` that is not absolute.
    :param changed: called when any event was emitted.
    """

    emit: Emit
    changed: Callable[[], None]
    sockets: Path
    _reported: dict[Listener, _Outcome] = field(default_factory=dict)

    def report_changes(
        self,
        rules: Ruleset,
        by_listener: Mapping[Listener, WantedForward | None],
        chosen: Mapping[HostEnd, WantedForward],
        open_now: Collection[WantedForward],
        refused: Mapping[WantedForward, str],
    ) -> None:
        """Emit an event for each listener whose outcome has changed.

        :param by_listener: each listener's own forward, None if no rule forwards it.
        :param chosen: for each end on the host, the forward that has it.
        :param open_now: the chosen forwards that are open.
        :param refused: forwards that could not be opened, with the reason.
        """
        outcomes: dict[Listener, _Outcome] = {}
        for listener, wanted in by_listener.items():
            outcome = self._outcome(wanted, chosen, open_now, refused)
            if outcome.kind is not PortEventType.NOT_FORWARDING or not rules.disables(listener.proto):
                # Who carries the bytes makes no difference: a packet filter in the guest changes it.
                outcomes[replace(listener, inside=False)] = outcome
        has_changes = False
        for listener, reported in self._reported.items():
            if reported.kind is PortEventType.FORWARDING and outcomes.get(listener) != reported:
                self.emit(
                    event(PortEventType.STOPPING, listener.proto, _guest_address(listener), reported.host)
                )
                has_changes = True
        for listener, outcome in outcomes.items():
            if self._reported.get(listener) != outcome:
                self.emit(
                    event(
                        outcome.kind, listener.proto, _guest_address(listener), outcome.host, outcome.error
                    )
                )
                has_changes = True
        self._reported = outcomes
        if has_changes:
            self.changed()

    def _outcome(
        self,
        wanted: WantedForward | None,
        chosen: Mapping[HostEnd, WantedForward],
        open_now: Collection[WantedForward],
        refused: Mapping[WantedForward, str],
    ) -> _Outcome:
        if wanted is None:
            return _Outcome(PortEventType.NOT_FORWARDING)
        host = str(self.sockets / wanted.host_socket) if wanted.host_socket else ""
        host = host or join_host_port(wanted.host_ip, wanted.host_port)
        forward = chosen[wanted.host_end]
        if wanted in refused:
            return _Outcome(PortEventType.FAILED, host, refused[wanted])
        if forward in open_now:  # also for a listener on another address of the same port
            return _Outcome(PortEventType.FORWARDING, host)
        return _Outcome(PortEventType.FAILED, host, refused.get(forward, ""))


def event(kind: str, protocol: str, guest: str, host: str, error: str = "") -> dict[str, str]:
    """Lima's event, without empty fields."""
    fields = {"type": str(kind), "protocol": protocol, "guestAddr": guest, "hostAddr": host, "error": error}
    return {key: value for key, value in fields.items() if value}


def _guest_address(listener: Listener) -> str:
    return join_host_port(listener.ip, listener.port)
