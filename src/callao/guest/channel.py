# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection of the host: from its first hello until it disconnects."""

import sys

assert sys.platform == "linux"

import platform
import select
import time
from pathlib import Path

from callao import __version__
from callao.guest import clock, identity
from callao.guest.frames import PROTOCOL, Decoder, FrameError, Piece
from callao.guest.link import Link
from callao.guest.listeners.containers import Containers
from callao.guest.listeners.listener_events import listener_events
from callao.guest.listeners.scan_schedule import SLOW, ListenerDiff, ScanSchedule
from callao.guest.listeners.socket_counts import SocketCounts
from callao.guest.listeners.sockets import Scanner
from callao.guest.log import warn
from callao.guest.messages import TO_GUEST
from callao.guest.network import dns, rules
from callao.guest.network.expose import Exposure
from callao.guest.streams.switch import Switch

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

STALE = 5.0
"""Seconds to wait for the rest of a frame: after that, its host has disconnected, and the next one starts
with a new frame."""


class Work:
    """State that outlives a connection."""

    def __init__(self) -> None:
        self.events, self.why_polling = listener_events()
        """The kernel's events of listeners; None, and why, where there are none: socket counts are
        checked then.
        """
        self.counts = SocketCounts()
        self.scanner = Scanner()
        self.containers = Containers()
        self.exposure = Exposure()

        self.resolver = ()  # type: tuple[object, ...]
        """The host's ports that DNS goes to. In a restored copy, they are those of the machine that was
        saved.
        """

    def end(self) -> None:
        self.exposure.clear()
        if self.resolver:
            dns.clear()
        self.containers.end()
        self.scanner.close()
        self.counts.close()
        if self.events is not None:
            self.events.close()


class Channel:
    def __init__(self, link: Link, work: Work) -> None:
        self._link = link
        self._work = work
        self._decoder = Decoder()
        self._switch = Switch(link)
        self._schedule = ScanSchedule(time.monotonic(), by_events=work.events is not None)
        self._diff = ListenerDiff()
        self._heard = time.monotonic()
        self._event_pending = False
        """Whether there was an event since the last scan began."""
        self._handlers = {kind: getattr(self, f"_{kind}") for kind in TO_GUEST}

    def run(self) -> None:
        """:raises Closed: when the host disconnects. :raises FrameError: when it breaks the protocol."""
        try:
            self._listen()
            self._hello({})
            while True:
                self._step()
        except FrameError as error:
            self._log(str(error))
            raise
        finally:
            self._switch.close()

    def _step(self) -> None:
        began = time.process_time()
        if self._link.wait(SLOW if self._link.congested else self._schedule.wait(time.monotonic())):
            self._receive(self._link.read())
            began = time.process_time()
        elif self._decoder.partial and not self._link.congested and time.monotonic() - self._heard > STALE:
            self._decoder.reset()
            self._log("the rest of a frame has not come")
        now = time.monotonic()
        if not self._link.congested and now >= self._schedule.next:
            if self._schedule.due(now, self._changed() or self._work.containers.asking):
                self._report_listeners(began)
            elif self._event_pending:
                self._schedule.event(now)
            else:
                self._schedule.unchanged(now)
                self._listen()

    def _listen(self) -> None:
        """Wait for the kernel's events, too."""
        if self._work.events is not None:
            self._link.watch(self._work.events.descriptor, select.POLLIN, self._on_event)

    def _on_event(self, _: int) -> None:
        """Ignore further events until there was a scan and a pause: a program that opens ports without end
        would take all our time.
        """
        if self._work.events is not None:
            self._link.unwatch(self._work.events.descriptor)
            self._schedule.event(time.monotonic())

    def _changed(self) -> bool:
        """Whether there is a reason to scan."""
        if self._work.events is None:
            return self._work.counts.differs()
        self._event_pending = self._work.events.drain() or self._event_pending
        return self._event_pending

    def _receive(self, data: bytes) -> None:
        self._heard = time.monotonic()
        for message in self._decoder.feed(data):
            if isinstance(message, Piece):
                self._switch.take(message)
            else:
                self._answer(message)
                self._schedule.soon(time.monotonic())

    def _answer(self, message: "dict[str, object]") -> None:
        kind = message.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            self._log(f"unknown type of message: {str(kind)[:80]!r}")
        else:
            handler(message)

    def _log(self, text: str) -> None:
        self._link.send({"type": "log", "message": text})

    def _report_listeners(self, began: float) -> None:
        """Scan, and report the difference. ``began``: the CPU time at which the scan's cost began to
        count.
        """
        now = time.monotonic()
        if self._work.events is None:
            self._work.counts.remember()
        try:
            found = self._work.scanner.scan() | self._work.containers.scan(now)
        except (OSError, ValueError) as error:
            warn(f"listeners cannot be found: {error}")
            messages = []  # type: list[dict[str, object]]
        else:
            messages = self._diff.messages(found)
        for message in messages:
            self._link.send(message)
        cost = time.process_time() - began
        if self._event_pending:
            self._event_pending = False
            self._schedule.scanned_for_event(now, cost)
            return
        self._schedule.scanned(now, bool(messages), cost)
        if self._work.events is not None and self._work.containers.asking:
            self._schedule.soon(now)
        self._listen()

    def _hello(self, message: "dict[str, object]") -> None:
        self._switch.close()
        hello = {"type": "hello", "protocol": PROTOCOL, "version": __version__}  # type: dict[str, object]
        hello["python"] = platform.python_version()
        try:
            hello["boot_id"] = BOOT_ID.read_text().strip()
        except OSError:
            hello["boot_id"] = ""
        if "id" in message:
            hello["answer"] = message["id"]
        hello["hears"], hello["deaf"] = self._work.events is not None, self._work.why_polling
        self._link.send(hello)
        self._diff.forget()
        self._report_listeners(time.process_time())

    def _ping(self, message: "dict[str, object]") -> None:
        self._link.send({"type": "pong", "id": message.get("id"), "time": int(time.time() * 1e9)})

    def _time(self, message: "dict[str, object]") -> None:
        self._link.send(clock.follow(message.get("now")))

    def _scan(self, _: "dict[str, object]") -> None:
        self._report_listeners(time.process_time())

    def _expose(self, message: "dict[str, object]") -> None:
        ports, wrong = rules.wanted(message.get("ports"))
        address = message.get("address")
        self._work.exposure.address = address if isinstance(address, str) else ""
        error = self._work.exposure.expose(ports)
        answer = {"type": "exposed", "ports": self._work.exposure.ports}  # type: dict[str, object]
        if wrong or error:
            answer["error"] = error or f"not a port: {str(wrong[0])[:80]}"
        self._link.send(answer)

    def _become(self, message: "dict[str, object]") -> None:
        self._link.send(identity.become(message))

    def _dns(self, message: "dict[str, object]") -> None:
        wanted, error = dns.resolver(message), ""
        if wanted is None:
            error = "not two ports and two addresses"
        elif wanted != self._work.resolver:  # setting the same rules again takes an emulated guest 0.2 s
            error = dns.resolve_by(wanted)
            if not error:
                self._work.resolver = wanted
        self._link.send({"type": "resolving", "error": error})
