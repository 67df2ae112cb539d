# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation with one host, from its coming to its leaving."""

import platform
import select
import time
from pathlib import Path

from callao import __version__
from callao.guest import clock, dns, identity, rules
from callao.guest.complaints import complain
from callao.guest.containers import Containers
from callao.guest.expose import Exposure
from callao.guest.frames import PROTOCOL, Decoder, FrameError, Piece
from callao.guest.glance import Glance
from callao.guest.link import Link
from callao.guest.listeners import Scanner
from callao.guest.messages import TO_GUEST
from callao.guest.stir import stirs
from callao.guest.switch import Switch
from callao.guest.watch import SLOW, News, Pace

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

STALE = 5.0
"""Seconds after which the rest of a frame is not waited for: its host has left in between, and the next one
begins anew."""


class Work:
    """What outlives a conversation."""

    def __init__(self) -> None:
        self.stirs, self.deaf = stirs()
        """What the kernel tells of listeners; None, and why, where it does not: then there are glances."""
        self.glance = Glance()
        self.scanner = Scanner()
        self.containers = Containers()
        self.exposure = Exposure()

        self.resolver = ()  # type: tuple[object, ...]
        """The host's ports that DNS is led to. In a copy, they are those of the machine that was saved."""

    def end(self) -> None:
        self.exposure.clear()
        if self.resolver:
            dns.clear()
        self.containers.end()
        self.scanner.close()
        self.glance.close()
        if self.stirs is not None:
            self.stirs.close()


class Channel:
    def __init__(self, link: Link, work: Work) -> None:
        self._link = link
        self._work = work
        self._decoder = Decoder()
        self._switch = Switch(link)
        self._pace = Pace(time.monotonic(), hears=work.stirs is not None)
        self._news = News()
        self._heard = time.monotonic()
        self._told = False
        """Whether the kernel has told of something since the last look began."""
        self._handlers = {kind: getattr(self, f"_{kind}") for kind in TO_GUEST}

    def run(self) -> None:
        """:raises Closed: when the host leaves. :raises FrameError: when it cannot be understood."""
        try:
            self._listen()
            self._hello({})
            while True:
                self._turn()
        except FrameError as error:
            self._log(str(error))
            raise
        finally:
            self._switch.close()

    def _turn(self) -> None:
        began = time.process_time()
        if self._link.wait(SLOW if self._link.congested else self._pace.wait(time.monotonic())):
            self._receive(self._link.read())
            began = time.process_time()
        elif self._decoder.partial and not self._link.congested and time.monotonic() - self._heard > STALE:
            self._decoder.reset()
            self._log("the rest of a frame has not come")
        now = time.monotonic()
        if not self._link.congested and now >= self._pace.next:
            if self._pace.due(now, self._suspicious() or self._work.containers.asking):
                self._look(began)
            elif self._told:
                self._pace.stirred(now)
            else:
                self._pace.glanced(now)
                self._listen()

    def _listen(self) -> None:
        """Have the kernel's word wake us."""
        if self._work.stirs is not None:
            self._link.watch(self._work.stirs.descriptor, select.POLLIN, self._stir)

    def _stir(self, _: int) -> None:
        """Not woken any more until there has been a look, and a rest: whoever opens ports without end would
        have us do nothing else.
        """
        if self._work.stirs is not None:
            self._link.unwatch(self._work.stirs.descriptor)
            self._pace.stirred(time.monotonic())

    def _suspicious(self) -> bool:
        """Whether there is a reason to look."""
        if self._work.stirs is None:
            return self._work.glance.differs()
        self._told = self._work.stirs.drain() or self._told
        return self._told

    def _receive(self, data: bytes) -> None:
        self._heard = time.monotonic()
        for message in self._decoder.feed(data):
            if isinstance(message, Piece):
                self._switch.take(message)
            else:
                self._answer(message)
                self._pace.hurry(time.monotonic())

    def _answer(self, message: "dict[str, object]") -> None:
        kind = message.get("type")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None:
            self._log(f"unknown type of message: {str(kind)[:80]!r}")
        else:
            handler(message)

    def _log(self, text: str) -> None:
        self._link.send({"type": "log", "message": text})

    def _look(self, began: float) -> None:
        """``began`` is the CPU's time at which this became our work: to sleep and wake up costs, too."""
        now = time.monotonic()
        if self._work.stirs is None:
            self._work.glance.remember()
        try:
            found = self._work.scanner.scan() | self._work.containers.scan(now)
        except (OSError, ValueError) as error:
            complain(f"listeners cannot be found: {error}")
            messages = []  # type: list[dict[str, object]]
        else:
            messages = self._news.messages(found)
        for message in messages:
            self._link.send(message)
        cost = time.process_time() - began
        if self._told:
            self._told = False
            self._pace.followed(now, cost)
            return
        self._pace.looked(now, bool(messages), cost)
        if self._work.stirs is not None and self._work.containers.asking:
            self._pace.hurry(now)
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
        hello["hears"], hello["deaf"] = self._work.stirs is not None, self._work.deaf
        self._link.send(hello)
        self._news.forget()
        self._look(time.process_time())

    def _ping(self, message: "dict[str, object]") -> None:
        self._link.send({"type": "pong", "id": message.get("id"), "time": int(time.time() * 1e9)})

    def _time(self, message: "dict[str, object]") -> None:
        self._link.send(clock.follow(message.get("now")))

    def _scan(self, _: "dict[str, object]") -> None:
        self._look(time.process_time())

    def _expose(self, message: "dict[str, object]") -> None:
        ports, wrong = rules.wanted(message.get("ports"))
        error = self._work.exposure.expose(ports)
        answer = {"type": "exposed", "ports": self._work.exposure.ports}  # type: dict[str, object]
        if wrong or error:
            answer["error"] = error or f"not a port: {str(wrong[0])[:80]}"
        self._link.send(answer)

    def _become(self, message: "dict[str, object]") -> None:
        self._link.send(identity.become(message))

    def _dns(self, message: "dict[str, object]") -> None:
        wanted, error = (message.get("udp"), message.get("tcp")), ""
        if wanted != self._work.resolver:  # to say the same again would take an emulated guest 0.2 s
            error = dns.resolve_by(*wanted)
            if not error:
                self._work.resolver = wanted
        self._link.send({"type": "resolving", "error": error})
