# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.networks.usernet FOLDER …``: the daemon of one network.

It goes into the background, so that its end is no matter of who started it, and writes ``ready`` on its
standard output when host agents can connect.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import argparse
import asyncio
import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NoReturn

from callao import system
from callao.errors import CallaoError
from callao.networks.usernet.daemon import Daemon, Settings
from callao.networks.usernet.folder import NetworkFolder

_DESCRIPTORS = 4096


def main() -> int:
    """Returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="callao.networks.usernet")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subnet", type=IPv4Network, required=True)
    parser.add_argument("--gateway", type=IPv4Address, required=True)
    parser.add_argument("--reserve", type=IPv4Address, action="append", default=[])
    parser.add_argument("--qemu", required=True)
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the folder's lock")
    given = parser.parse_args()
    if os.fork():
        return 0
    system.ignore_hangup()
    os.umask(0o077)
    system.allow_descriptors(_DESCRIPTORS)
    # On a busy host, frames come while others run, and leave together: guests would be interrupted for each.
    system.interrupt_nobody()
    folder = NetworkFolder(given.folder)
    daemon = Daemon(Settings(folder, given.subnet, given.gateway, frozenset(given.reserve), given.qemu))
    try:
        asyncio.run(_run(daemon, given.lock))
    except (CallaoError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return 1


async def _run(daemon: Daemon, lock: int) -> NoReturn:
    await daemon.start()
    os.close(lock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # Nobody may wait for an end of standard output, which is a pipe of who started this process.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    await daemon.run()
    # Not by the event loop's end, which closes the connections while the process still ends.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
