# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool call over MCP costs against the same by an ssh master; and checkpoint and undo in seconds.

    tests/bench/mcp_calls.py [--rounds 3] [--calls 40] [--files 2000]

One warm guest with a project directory. Calls of each kind are made in turn, so that the load of the machine
is the same for both; what counts is the difference of the medians. A command by ssh is started by an
asyncio subprocess, as the server does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import line, say, show
from mcp import Client, StdioServerParameters, stdio_client
from support.home import Home, build_golden, temporary_home

from callao.instances import InstancePaths
from callao.instances.paths import ssh_alias

MOUNT = "/mnt/project"
MOST = 10.0
"""Milliseconds that a call over MCP may cost more than the same by ssh."""


Awaited = Callable[[], Awaitable[object]]


class Bench:
    def __init__(self, client: Client, home: Home) -> None:
        self._client = client
        config = InstancePaths(home.path / "box").ssh_config
        self._ssh = ["ssh", "-F", str(config), ssh_alias("box"), "--"]

    async def tool(self, tool: str, **arguments: Any) -> dict[str, Any]:
        found = await self._client.call_tool(tool, arguments)
        if found.is_error:
            raise RuntimeError(found.content[0].text)
        return dict(found.structured_content)

    async def ssh(self, command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._ssh, command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{command}: exit status {process.returncode}")

    async def compare(self, name: str, ours: Awaited, theirs: Awaited, calls: int) -> None:
        taken: tuple[list[float], list[float]] = [], []
        for _ in range(calls):
            for work, times in ((ours, taken[0]), (theirs, taken[1])):
                began = time.perf_counter()
                await work()
                times.append(1000 * (time.perf_counter() - began))
        mcp, ssh = (statistics.median(each[2:]) for each in taken)
        show(name, f"{mcp:.1f} - {ssh:.1f} = {mcp - ssh:+.1f} ms", f"<= {MOST:g} ms", mcp - ssh <= MOST)


async def measure_calls(bench: Bench, given: argparse.Namespace) -> None:
    shell = '"$SHELL" -lc true'  # as the tool, and as limactl shell
    await bench.compare(
        "run_shell_command true, against ssh -- $SHELL -lc true",
        lambda: bench.tool("run_shell_command", command=["true"], directory="/tmp"),
        lambda: bench.ssh(shell),
        given.calls,
    )
    await bench.compare(
        "read_file of 100 KiB, against ssh -- cat",
        lambda: bench.tool("read_file", path="/var/tmp/text"),
        lambda: bench.ssh("cat /var/tmp/text"),
        given.calls,
    )
    await bench.compare(
        "list_directory of /usr/bin, against ssh -- ls -l",
        lambda: bench.tool("list_directory", path="/usr/bin"),
        lambda: bench.ssh("ls -l /usr/bin"),
        given.calls,
    )


async def measure_checkpoints(bench: Bench, project: Path, given: argparse.Namespace) -> None:
    for number in range(given.files):
        folder = project / f"dir{number % 50}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_text(f"{number}\n" * 500)
    for number in range(given.rounds):
        made = await bench.tool("checkpoint", name=f"round-{number}")
        (project / "dir1" / "file1").write_text(f"changed {number}")
        began = time.perf_counter()
        changed = await bench.tool("diff")
        listed = time.perf_counter() - began
        undone = await bench.tool("undo")
        line(
            f"checkpoint {made['seconds']:.2f} s ({made['files']} files, machine {made['machine']}), "
            f"diff {listed:.2f} s ({len(changed['changes'])} changes), undo {undone['seconds']:.2f} s"
        )


async def main(given: argparse.Namespace) -> None:
    with temporary_home(build_golden()) as home, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        project = Path(folder)
        mounts = [{"location": folder, "mountPoint": MOUNT, "writable": True}]
        home.ensure("box", extra={**home.direct(), "mounts": mounts}, warm=True, timeout=600)
        home.ssh("box", "yes some text | head -c 100K >/var/tmp/text")
        say("the guest is ready")
        for options in (["--root", "/"], ["--root", "/", "--snapshot-files"], ["--root", "/", "--snapshot"]):
            line(" ".join(["serve", *options]))
            server = StdioServerParameters(
                command=sys.executable,
                args=["-m", "callao.cli.main", "mcp", "serve", *options, "box"],
                env={**os.environ, "LIMA_HOME": str(home.path)},
            )
            async with Client(stdio_client(server)) as client:
                bench = Bench(client, home)
                if len(options) == 2:
                    await measure_calls(bench, given)
                else:
                    await measure_checkpoints(bench, project, given)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--files", type=int, default=2000)
    asyncio.run(main(parser.parse_args()))
