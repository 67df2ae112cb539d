# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection of the host, from the first hello until the host disconnects."""

import sys

assert sys.platform == "linux"

import platform
import select
import time
from pathlib import Path

from callao import __version__
from callao.guest import clock, identity
from callao.guest.frames import PROTOCOL, Decoder, FrameError, StreamFrame
from callao.guest.link import Link
from callao.guest.listeners.containers import ContainerPorts
from callao.guest.listeners.listener_events import open_listener_events
from callao.guest.listeners.scan_schedule import (
    MAX_SCAN_INTERVAL,
    SLOW_INTERVAL,
    ListenerDiff,
    ScanSchedule,
    longest_interval,
)
from callao.guest.listeners.socket_counts import SocketCounts
from callao.guest.listeners.sockets import SocketScanner
from callao.guest.log import warn
from callao.guest.messages import TO_GUEST
from callao.guest.network import dns, rules
from callao.guest.network.expose import Exposure
from callao.guest.packet_filter.chains import mark_filtered
from callao.guest.packet_filter.packet_filter import PacketFilter
from callao.guest.streams.multiplexer import GuestStreamMultiplexer

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

PARTIAL_FRAME_TIMEOUT = 5.0
"""Seconds to wait for the rest of a frame. After that, the host that began it has disconnected, and the next
host starts with a new frame."""


class GuestState:
    """State that outlives a connection."""

    def __init__(self) -> None:
        self.events, self.polling_reason = open_listener_events()
        """The kernel's events of listeners. Where they are not available: None and the reason, and socket
        counts are polled instead.
        """
        self.counts = SocketCounts()
        self.scanner = SocketScanner()
        self.containers = ContainerPorts()
        self.filter = PacketFilter()
        self.exposure = Exposure()

        self.resolver = ()  # type: tuple[object, ...]
        """The host's resolver that DNS queries are redirected to. In a machine that was restored from
        another one's memory, it is still the resolver of the saved machine."""

    @property
    def pending(self) -> bool:
        """Whether a command runs, or is to run soon, whose output is needed."""
        return self.containers.pending or self.filter.pending

    def close(self) -> None:
        self.exposure.clear()
        if self.resolver:
            dns.remove_redirect()
        self.containers.close()
        self.filter.close()
        self.scanner.close()
        self.counts.close()
        if self.events is not None:
            self.events.close()


class HostConnection:
    def __init__(self, link: Link, state: GuestState) -> None:
        self._link = link
        self._state = state
        self._decoder = Decoder()
        self._streams = GuestStreamMultiplexer(link)
        self._schedule = ScanSchedule(time.monotonic(), by_events=state.events is not None)
        self._diff = ListenerDiff()
        self._last_received = time.monotonic()
        self._watched = []  # type: list[int]
        self._event_pending = False
        """Whether there was an event since the last scan began."""
        self._handlers = {kind: getattr(self, f"_{kind}") for kind in TO_GUEST}

    def run(self) -> None:
        """Serve the connection.

        :raises LinkClosed: when the host disconnects. :raises FrameError: when it breaks the protocol.
        """
        try:
            self._watch_events()
            self._hello({})
            while True:
                self._run_once()
        except FrameError as error:
            self._log(str(error))
            raise
        finally:
            self._streams.close()

    def _run_once(self) -> None:
        began = time.process_time()
        if self._link.wait(self._wait(time.monotonic())):
            self._receive(self._link.read())
            began = time.process_time()
        elif (
            self._decoder.has_partial_frame
            and not self._link.reading_paused
            and time.monotonic() - self._last_received > PARTIAL_FRAME_TIMEOUT
        ):
            self._decoder.reset()
            self._log(f"discarded a frame whose rest did not arrive within {PARTIAL_FRAME_TIMEOUT:.0f} s")
        now = time.monotonic()
        if not self._link.reading_paused and now >= self._schedule.next:
            if self._schedule.is_due(now, self._has_reason_to_scan() or self._state.pending):
                self._report_listeners(began)
            elif self._event_pending:
                self._schedule.event_received(now)
            else:
                self._schedule.unchanged(now)
                self._watch_events()

    def _wait(self, now: float) -> float:
        """Seconds until there is something to do if nothing arrives."""
        if self._link.reading_paused:
            return SLOW_INTERVAL
        scan = self._schedule.wait(now)
        if not self._decoder.has_partial_frame:
            return scan
        return min(scan, max(0.0, self._last_received + PARTIAL_FRAME_TIMEOUT - now))

    def _watch_events(self) -> None:
        """Have the poll loop wake up for the kernel's events, too."""
        self._ignore_events()
        self._watched = self._event_descriptors()
        for descriptor in self._watched:
            self._link.watch(descriptor, select.POLLIN, self._on_event)

    def _ignore_events(self) -> None:
        """Also of descriptors that were closed meanwhile: poll(2) would report these all the time."""
        for descriptor in self._watched:
            self._link.unwatch(descriptor)
        self._watched = []

    def _on_event(self, _: int) -> None:
        """Ignore further events until after a scan and a pause: a program that keeps opening ports would use
        all of the CPU otherwise.
        """
        self._ignore_events()
        self._schedule.event_received(time.monotonic())

    def _event_descriptors(self) -> "list[int]":
        events, changes = self._state.events, self._state.filter.descriptor
        return [*([events.descriptor] if events else []), *([changes] if changes is not None else [])]

    def _has_reason_to_scan(self) -> bool:
        """Whether an event or the socket counts give a reason to scan."""
        self._event_pending = self._state.filter.drain() or self._event_pending
        if self._state.events is None:
            return self._state.counts.changed() or self._event_pending
        self._event_pending = self._state.events.drain() or self._event_pending
        return self._event_pending

    def _receive(self, data: bytes) -> None:
        self._last_received = time.monotonic()
        for message in self._decoder.feed(data):
            if isinstance(message, StreamFrame):
                self._streams.receive(message)
            else:
                self._dispatch(message)
                if message.get("type") != "ping":
                    self._schedule.expedite(time.monotonic())

    def _dispatch(self, message: "dict[str, object]") -> None:
        kind = message.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            self._log(f"unknown message type: {str(kind)[:80]!r}")
        else:
            handler(message)

    def _log(self, text: str) -> None:
        self._link.send({"type": "log", "message": text})

    def _report_listeners(self, began: float) -> None:
        """Scan, and report the difference to the last report.

        :param began: process CPU time from which the scan's cost is measured.
        """
        now = time.monotonic()
        if self._state.events is None:
            self._state.counts.save()
        try:
            closed = self._state.filter.scan(now)
            published = self._state.containers.scan(now, self._state.filter.generation)
            listeners = mark_filtered(self._state.scanner.scan(), published, closed)
        except (OSError, ValueError) as error:
            warn(f"cannot scan for listening ports: {error}")
            messages, longest = [], MAX_SCAN_INTERVAL  # type: list[dict[str, object]], float
        else:
            messages = self._diff.messages(listeners)
            found = self._state.filter
            longest = longest_interval(
                found.generation, self._state.containers.has_cluster, found.read_delay
            )
        for message in messages:
            self._link.send(message)
        cost = time.process_time() - began
        if self._event_pending:
            self._event_pending = False
            self._schedule.scanned_for_event(now, cost)
            return
        self._schedule.scanned(now, bool(messages), cost, longest)
        if self._state.events is not None and self._state.pending:
            self._schedule.expedite(now)
        self._watch_events()

    def _hello(self, message: "dict[str, object]") -> None:
        self._streams.close()
        hello = {"type": "hello", "protocol": PROTOCOL, "version": __version__}  # type: dict[str, object]
        hello["python"] = platform.python_version()
        try:
            hello["boot_id"] = BOOT_ID.read_text().strip()
        except OSError:
            hello["boot_id"] = ""
        if "id" in message:
            hello["answer"] = message["id"]
        hello["hears"], hello["deaf"] = self._state.events is not None, self._state.polling_reason
        self._link.send(hello)
        self._diff.reset()
        self._report_listeners(time.process_time())

    def _ping(self, message: "dict[str, object]") -> None:
        self._link.send({"type": "pong", "id": message.get("id"), "time": int(time.time() * 1e9)})

    def _time(self, message: "dict[str, object]") -> None:
        self._link.send(clock.synchronize(message.get("now")))

    def _scan(self, _: "dict[str, object]") -> None:
        self._report_listeners(time.process_time())

    def _expose(self, message: "dict[str, object]") -> None:
        ports, invalid = rules.parse_ports(message.get("ports"))
        address = message.get("address")
        self._state.exposure.address = address if isinstance(address, str) else ""
        error = self._state.exposure.expose(ports)
        answer = {"type": "exposed", "ports": self._state.exposure.ports}  # type: dict[str, object]
        if invalid or error:
            answer["error"] = error or f"not a port: {str(invalid[0])[:80]}"
        self._link.send(answer)

    def _become(self, message: "dict[str, object]") -> None:
        self._link.send(identity.set_identity(message))

    def _dns(self, message: "dict[str, object]") -> None:
        resolver, error = dns.parse_resolver(message), ""
        if resolver is None:
            error = "dns needs udp and tcp (ports), server and gateway (IPv4 addresses)"
        elif resolver != self._state.resolver:  # setting the same rules again takes an emulated guest 0.2 s
            error = dns.redirect(resolver)
            if not error:
                self._state.resolver = resolver
        self._link.send({"type": "resolving", "error": error})
