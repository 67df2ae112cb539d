# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs vmnet-helper: one process for each interface, which has frames as datagrams on its standard input.

It creates vmnet's interface as root and goes on as the user who asked sudo; macOS 26 needs no root.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from callao.config.network import NetworkDefinition, Networks
from callao.errors import NetworkError, unsupported
from callao.file_end import read_end
from callao.networks.vmnet.access import (
    must_be_allowed,
    root_group,
    sudo_argv,
)
from callao.networks.vmnet.commands import helper_argv

_ROOTLESS = 26
"""The first release of macOS where everybody may create an interface of vmnet."""

_PATIENCE = 30.0
"""Seconds for the interface to be created."""

_RETRIES = () if sys.platform == "linux" else (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try: vmnet.framework is not ready for a while after macOS has booted."""

_END = 5.0
"""Seconds to end."""

_LONGEST_LINE = 2**16
_LONGEST_LOG = 4096
"""Bytes of the end of the log that an error shows."""


@dataclass(frozen=True)
class VmnetHelper:
    """One that runs. ``stream`` is the interface's end: each datagram is a frame."""

    stream: socket.socket
    process: asyncio.subprocess.Process

    async def wait(self) -> None:
        """Return when it has ended."""
        await self.process.wait()

    async def end(self) -> None:
        """End it where it runs. sudo does not hear us, and ends with its program, which does."""
        import psutil

        self.stream.close()
        if self.process.returncode is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.process.pid)
            for each in (first, *first.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    each.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _END)


async def start_helper(networks: Networks, network: NetworkDefinition, home: Path, log: Path) -> VmnetHelper:
    """Run it for one more interface in the network.

    :param log: it appends what it writes there.
    :raises ConfigError: when it runs as root, and its path is not root's alone.
    :raises NetworkError: when sudo needs a password, or it does not start.
    """
    argv = helper_argv(networks, network)
    if not needs_no_root(platform.mac_ver()[0]):
        await asyncio.to_thread(must_be_allowed, networks, home)
        argv = sudo_argv(argv, root_group())
    why = ""
    for wait in (*_RETRIES, None):
        helper, why = await _try(argv, log)
        if helper is not None:
            return helper
        if wait is not None:
            await asyncio.sleep(wait)
    raise NetworkError(
        f"vmnet-helper of network {network.name!r} {why}.", hint=f"What it wrote is in {log}."
    )


def needs_no_root(macos: str) -> bool:
    """Whether any user may create an interface, by the release of macOS; empty for another system."""
    major = macos.partition(".")[0]
    return major.isdecimal() and int(major) >= _ROOTLESS


async def _try(argv: Sequence[str], log: Path) -> tuple[VmnetHelper | None, str]:
    """The helper, or why there is none."""
    if sys.platform == "win32":
        raise unsupported("vmnet-helper")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        with theirs, log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
    except OSError as error:
        ours.close()
        return None, f"cannot be run: {error.strerror}"
    helper = VmnetHelper(ours, process)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_PATIENCE):
            said = await process.stdout.readline()
        if _is_interface(said):
            return helper, ""
        why = f"said no interface: {_end_of(log)}"
    except TimeoutError:
        why = f"created no interface within {_PATIENCE:.0f} s: {_end_of(log)}"
    except ValueError:
        why = f"said more than {_LONGEST_LINE} bytes"
    except BaseException:
        await helper.end()
        raise
    await helper.end()
    return None, why


def _is_interface(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _end_of(log: Path) -> str:
    lines = read_end(log, _LONGEST_LOG).decode(errors="replace").strip().splitlines()
    return lines[-1].removesuffix(".") if lines else "it wrote nothing"
