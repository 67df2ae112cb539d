# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hundred faults of vfkit and krunkit: each ends in a machine that can be ended, or in an error that
says why; nothing is left of either."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from callao.config import VMType
from callao.drivers.apple import process, rest, short_folder
from callao.drivers.apple.files import Sockets
from callao.drivers.apple.process import Companions, launch
from callao.drivers.apple.relay import Relay
from callao.errors import DriverError
from callao.hostagent.shutdown import shut_down
from callao.instances import InstancePaths
from callao.instances.stop_policy import StopPolicy
from callao.system import die_with_parent

SEED = 20
FAULTS = 200
RUNNING = b'{"state": "VirtualMachineStateRunning"}'
GARBAGE = (
    b"\x00\xff\xfe\x1b[2J{]\r\n\r\nHTTP/9.9 \xc3\x28 no\r\n",
    b"",
    b"\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n[1]",
)

PROGRAMS = {
    "runs": "exec sleep 60",
    "ends": "echo 'Error: Internal Virtualization error' >&2; exit 1",
    "ends well": "exit 0",
    "killed": "kill -9 $$",
    "ignores signals": "trap '' TERM INT; exec sleep 60",
    "garbage": r"printf '\000\377\033[2J'; exit 3",
    "flood": "i=0; while [ $i -lt 3000 ]; do echo a line that says nothing at all; i=$((i+1)); done; exit 4",
    "late": "sleep 0.05; exit 5",
}


@dataclass(frozen=True)
class Fault:
    """``service`` answers from the beginning, or, where it is ``later``, once the machine runs."""

    program: str
    service: str
    later: bool
    vm_type: VMType
    has_rest: bool


def _answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def _services(chance: random.Random) -> dict[str, bytes | None]:
    """What each says, and None for one that holds the connection."""
    good = _answer(200, RUNNING)
    return {
        "good": good,
        "garbage": chance.choice(GARBAGE),
        "noise": chance.randbytes(200),
        "half": good[: chance.randrange(1, len(good))],
        "closes": b"",
        "refuses": _answer(500, b'{"error": "failed"}'),
        "no state": _answer(200, chance.choice([b"[]", b"{}", b'"x"', b"null", b"\xff", b"[" * 5000])),
        "starts": _answer(200, b'{"state": "VirtualMachineStateStarting\\u001b[2J"}'),
        "large": _answer(200, b" " * 100_000),
        "silent": None,
        "stalls": None,
    }


FOUND = random.Random(SEED).sample(
    [
        Fault(*each)
        for each in itertools.product(
            PROGRAMS,
            [*_services(random.Random(0)), "absent"],
            (False, True),
            (VMType.VZ, VMType.KRUNKIT),
            (True, False),
        )
    ],
    FAULTS,
)


def test_each_fault_ends_in_a_machine_that_can_be_ended_or_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE", 2.0)
    monkeypatch.setattr(rest, "PATIENCE", 0.3)
    monkeypatch.setattr(short_folder, "_PARENT", tmp_path)
    die_with_parent()  # a process's first call may open what it keeps
    descriptors = _descriptors()
    outcomes = asyncio.run(_all(tmp_path))
    assert _descriptors() == descriptors
    assert {"quit", "kill"} <= set(outcomes)
    refused = [each for each in outcomes if each not in ("acpi", "quit", "kill")]
    assert len(refused) > FAULTS // 8  # more on quick hosts: some programs end while they are asked
    assert all(each.startswith(("vz: ", "krunkit: ")) for each in refused)
    assert not any("\x1b" in each or "Traceback" in each for each in refused)


def _descriptors() -> int:
    gc.collect()  # those of earlier tests go at any time
    return len(list(Path("/proc/self/fd").iterdir()))


async def _all(folder: Path) -> list[str]:
    """What comes of each; all at the same time, since most of it is waiting."""
    return await asyncio.gather(*(_outcome(fault, folder, number) for number, fault in enumerate(FOUND)))


async def _outcome(fault: Fault, folder: Path, number: int) -> str:
    paths = InstancePaths(folder / f"box {number}")
    paths.dir.mkdir()
    try:
        return await _tried(fault, paths, random.Random(number))
    finally:
        assert not short_folder.folder_of(paths).exists(), fault
        assert not (paths.dir / "sockets").is_symlink(), fault


async def _tried(fault: Fault, paths: InstancePaths, chance: random.Random) -> str:
    sockets = Sockets(short_folder.make(paths))
    companions = Companions(paths, sockets, {"lima0": Relay()})
    say = _services(chance)
    now = "good" if fault.later else fault.service
    server = None
    if now != "absent":
        sockets.pid_file.touch()
        server = await asyncio.start_unix_server(_serving(lambda: say[now]), str(sockets.rest))
    try:
        argv = ["/bin/sh", "-c", PROGRAMS[fault.program]]
        machine = await launch(argv, fault.vm_type, companions, has_rest=fault.has_rest)
    except DriverError as error:
        return str(error)
    else:
        pid = machine.pid
        assert paths.driver_pid(fault.vm_type).read_text() == f"{pid}\n"
        now = fault.service if fault.service != "absent" else "closes"
        way = await shut_down(machine, None, StopPolicy(acpi=0.3, ssh=0.0, quit=0.3))
        await machine.wait()
        assert not Path(f"/proc/{pid}").exists()
        return way
    finally:
        if server is not None:
            server.close()


def _serving(say: Callable[[], bytes | None]) -> Callable[..., object]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)
            answer = say()
            if answer is None:
                await asyncio.sleep(1)
            else:
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    return serve
