# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the last lines of the logs that explain a failed start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from callao.drivers import Log
from callao.file_end import read_end
from callao.printable import printable

if TYPE_CHECKING:
    from callao.ssh import Client  # asyncio, which a host that only creates does without

_LINE_COUNT = 25


def tail(path: Path, lines: int = _LINE_COUNT) -> str:
    """The last lines of a log, without terminal escape sequences; empty if there is no log."""
    text = read_end(path, 64 * 1024).decode(errors="replace")
    non_empty = [line.rstrip() for line in printable(text).splitlines() if line.strip()]
    return "\n".join(non_empty[-lines:])


def machine_logs(logs: Iterable[Log]) -> str:
    """The last lines of the hypervisor's log and the guest's console."""
    parts = [(log.name, tail(log.path)) for log in logs]
    return "\n".join(f"--- {name}, last lines:\n{text}" for name, text in parts if text)


async def boot_log(client: Client) -> str:
    """The last lines of the guest's log with the boot scripts' output. The file has this name without
    cloud-init, too.
    """
    script = f"sudo -n tail -n {_LINE_COUNT} /var/log/cloud-init-output.log\n"
    try:
        answer = await client.run(script, timeout=30.0)
    except TimeoutError:
        return ""
    text = printable(answer.stdout or answer.stderr).rstrip()
    return f"--- the boot scripts' output, last lines:\n{text}" if text else ""
