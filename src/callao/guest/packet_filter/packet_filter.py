# SPDX-License-Identifier: GPL-3.0-or-later
"""Knows when the packet filter changes, and what it closes to what comes in by the NIC."""

import sys

assert sys.platform == "linux"

import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from callao.guest.listeners.background import BackgroundCommand
from callao.guest.log import warn
from callao.guest.packet_filter.chains import Closed
from callao.guest.packet_filter.iptables import parse_filter
from callao.guest.packet_filter.nftables import Nftables

PERIOD = 5.0
"""Seconds between looks for a packet filter where there is none yet, and at one that sends no events."""

CPU_SHARE, CPU_CREDIT = 0.02, 0.5
"""Share of one CPU that reading rules may use, where they change all the time, and the seconds of CPU that
it may use beyond that after a quiet time: a firewall that starts changes its rules many times in a row."""

MIN_READ_DELAY = 0.1

MAX_FAILURES = 3
"""Failures in a row after which nftables is not read any more."""

LEGACY_TABLES = "proc/net/ip_tables_names"
"""The tables of iptables that are not kept in nftables, one in each line."""


class PacketFilter:
    """``root``, ``which`` and ``connect`` are for tests."""

    def __init__(
        self,
        root: str = "/",
        which: "Callable[[str], str | None]" = shutil.which,
        connect: "Callable[[], Nftables]" = Nftables,
    ) -> None:
        self._root = Path(root)
        self._which = which
        self._connect = connect
        self._nftables = None  # type: Nftables | None
        self._failures = 0
        self._is_builtin = None  # type: bool | None
        self._legacy = None  # type: BackgroundCommand | None
        self._legacy_tables = ""
        self._next_look = self._credit_updated = 0.0
        self._credit = CPU_CREDIT
        self._read_generation = None  # type: int | None
        self._is_outdated = False
        self._closed = self._legacy_closed = Closed()
        self.generation = None  # type: int | None
        """A number that changes with the rules; None where rules may change that it does not count."""

    @property
    def descriptor(self) -> "int | None":
        """A descriptor for poll(2), readable when the rules have changed; None where there are no events."""
        return self._nftables.descriptor if self._nftables else None

    @property
    def pending(self) -> bool:
        """Whether a command runs whose output is needed."""
        return self._legacy is not None and self._legacy.running

    def drain(self) -> bool:
        """Whether there was an event since the last call."""
        return self._nftables.drain() if self._nftables else False

    @property
    def read_delay(self) -> float:
        """Seconds until changed rules can be read that the last scan did not read; infinite if there are
        none.
        """
        return max(MIN_READ_DELAY, -self._credit / CPU_SHARE) if self._is_outdated else math.inf

    def scan(self, now: float) -> Closed:
        """What the filter closes. What a command says that is started here is in the answers of later
        calls.
        """
        if now >= self._next_look:
            self._next_look = now + PERIOD
            self._look()
        self._read(now)
        if not self._legacy:
            return self._closed
        text = self._legacy.poll_output(now)
        if text is not None:
            began = time.process_time()
            self._legacy_closed = parse_filter(text)
            self._legacy.period = max(PERIOD, (time.process_time() - began) / CPU_SHARE)
        return Closed(
            self._closed.input or self._legacy_closed.input,
            (*self._closed.forward, *self._legacy_closed.forward),
        )

    def _look(self) -> None:
        """Find out what kinds of rules there may be; starts nothing where there are none."""
        if self._nftables is None and self._failures < MAX_FAILURES and self._has_nftables():
            try:
                self._nftables = self._connect()
            except OSError as error:
                self._failed(error)
        try:
            self._legacy_tables = (self._root / LEGACY_TABLES).read_text()
        except OSError:
            self._legacy_tables = ""
        has_filter = "filter" in self._legacy_tables.split()
        program = self._which("iptables-legacy-save") or self._which("iptables-save") if has_filter else None
        if program and not self._legacy:
            self._legacy = BackgroundCommand((program, "-t", "filter"), PERIOD)
        elif not program and self._legacy:
            self._legacy.close()
            self._legacy, self._legacy_closed = None, Closed()

    def _has_nftables(self) -> bool:
        """Whether the kernel has it now: asking for it by netlink would load the module."""
        if self._is_builtin is None:
            modules = self._root / "lib/modules" / os.uname().release
            try:
                self._is_builtin = "/nf_tables.ko" in (modules / "modules.builtin").read_text()
            except OSError:
                self._is_builtin = not modules.exists()  # then nothing can be loaded
        return self._is_builtin or (self._root / "sys/module/nf_tables").exists()

    def _read(self, now: float) -> None:
        """Read the rules if they have changed, and if reading them has not used too much CPU lately."""
        if self._nftables is None:
            self.generation, self._is_outdated = None, False
            return
        self._credit = min(self._credit + (now - self._credit_updated) * CPU_SHARE, CPU_CREDIT)
        self._credit_updated = now
        began = time.process_time()
        try:
            generation = self._nftables.generation()
            self._is_outdated = generation != self._read_generation
            if self._is_outdated and self._credit >= 0:
                self._closed = self._nftables.closed()
                self._read_generation, self._is_outdated = generation, False
            self._failures = 0
        except OSError as error:
            self._failed(error)
        else:
            self.generation = None if self._legacy_tables else generation
        finally:
            self._credit -= time.process_time() - began

    def _failed(self, error: OSError) -> None:
        self._failures += 1
        self.generation = None
        if self._failures == MAX_FAILURES:
            warn(f"cannot read the packet filter's rules: {error}")
            self.close()

    def close(self) -> None:
        if self._nftables is not None:
            self._nftables.close()
            self._nftables = None
        if self._legacy is not None:
            self._legacy.close()
            self._legacy = None
