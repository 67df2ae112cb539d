# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in a stand-in, by names in ``CALLAO_STAND_IN_FAULTS``, with commas between."""

from __future__ import annotations

import asyncio
import enum
import os
import signal
import sys
import time
from collections.abc import Callable

VARIABLE = "CALLAO_STAND_IN_FAULTS"
GARBAGE = b"\x00\xff\xfe\x1b[2J{]\r\n\r\nHTTP/9.9 \xc3\x28 no\r\n"


class Fault(enum.Enum):
    VERSION_GARBAGE = "version-garbage"
    VERSION_EMPTY = "version-empty"
    VERSION_HANG = "version-hang"
    VERSION_FAILS = "version-fails"
    OUTPUT_GARBAGE = "output-garbage"
    """Bytes of no encoding, and terminal sequences, on both outputs."""
    START_HANG = "start-hang"
    """The command line is accepted, and then nothing comes: no service, no machine."""
    START_EXIT = "start-exit"
    START_KILLED = "start-killed"
    RUN_EXIT = "run-exit"
    """The machine ends soon after its start."""
    RUN_KILLED = "run-killed"
    REST_ABSENT = "rest-absent"
    REST_LATE = "rest-late"
    REST_GARBAGE = "rest-garbage"
    REST_HALF = "rest-half"
    """Half of each answer, and then the connection is closed."""
    REST_STALL = "rest-stall"
    """Half of each answer, and then nothing."""
    REST_HANG = "rest-hang"
    REST_CLOSE = "rest-close"
    REST_HELD = "rest-held"
    """A silent client of somebody else holds the service."""
    REST_500 = "rest-500"
    REST_ENDLESS = "rest-endless"
    """An answer without an end."""
    STOP_IGNORED = "stop-ignored"
    """The guest does not hear the power button."""
    SIGNALS_IGNORED = "signals-ignored"
    LEASE_ABSENT = "lease-absent"
    LEASE_GARBAGE = "lease-garbage"
    LEASE_HALF = "lease-half"
    LEASE_OTHERS = "lease-others"
    """Only leases of other machines."""
    VSOCK_ABSENT = "vsock-absent"
    VSOCK_CLOSE = "vsock-close"
    VSOCK_HANG = "vsock-hang"
    VSOCK_GARBAGE = "vsock-garbage"
    LINGER = "linger"
    """The process outlives its machine by some seconds."""
    PIDFILE_STALE = "pidfile-stale"
    """The pid file names a process that has ended."""
    LOG_FLOOD = "log-flood"
    """Megabytes on both outputs."""


def injected() -> frozenset[Fault]:
    names = os.environ.get(VARIABLE, "").split(",")
    return frozenset(Fault(name) for name in names if name)


def before_anything(faults: frozenset[Fault]) -> None:
    if Fault.OUTPUT_GARBAGE in faults:
        for stream in (sys.stdout, sys.stderr):
            stream.buffer.write(GARBAGE)
            stream.flush()
    if Fault.LOG_FLOOD in faults:
        for stream in (sys.stdout, sys.stderr):
            stream.write("a line that says nothing\n" * 100_000)
            stream.flush()


def print_version(faults: frozenset[Fault], line: str) -> int:
    """Returns the exit status."""
    if Fault.VERSION_HANG in faults:
        time.sleep(3600)
    if Fault.VERSION_FAILS in faults:
        sys.stderr.write("dyld: Library not loaded\n")
        return 134
    if Fault.VERSION_GARBAGE in faults:
        sys.stdout.buffer.write(GARBAGE)
    elif Fault.VERSION_EMPTY not in faults:
        sys.stdout.write(f"{line}\n")
    return 0


async def at_start(faults: frozenset[Fault]) -> None:
    """Before the machine."""
    if Fault.START_HANG in faults:
        await asyncio.sleep(3600)
    if Fault.START_KILLED in faults:
        os.kill(os.getpid(), signal.SIGKILL)
    if Fault.START_EXIT in faults:
        sys.stderr.write(
            "Error: Error Domain=VZErrorDomain Code=1 Description=Internal Virtualization error\n"
        )
        sys.stderr.flush()
        os._exit(1)


async def while_running(faults: frozenset[Fault], end: Callable[[], None]) -> None:
    """:param end: ends the machine."""
    if {Fault.RUN_EXIT, Fault.RUN_KILLED} & faults:
        await asyncio.sleep(1)
        if Fault.RUN_KILLED in faults:
            os.kill(os.getpid(), signal.SIGKILL)
        end()


async def serve_badly(path: str, faults: frozenset[Fault]) -> None:
    """A port of the guest's that accepts, and then closes, says nothing, or says garbage without an end."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while Fault.VSOCK_GARBAGE in faults:
                writer.write(GARBAGE * 100)
                await writer.drain()
            if Fault.VSOCK_HANG in faults:
                await asyncio.sleep(3600)
        except (
            OSError,
            asyncio.CancelledError,
        ):  # the latter at the program's end: Python 3.11 prints it else
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        await server.serve_forever()
