# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mcp serve`` with the official client against a real guest; the tests share one warm guest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from support.home import Golden, Home, build_golden, temporary_home
from support.waiting import eventually

from callao.config import dump, load
from callao.mcp.checkpoints.claim import claims

pytestmark = pytest.mark.guest

MOUNT = "/mnt/project"
CALLAO = [sys.executable, "-m", "callao.cli.main"]


class Agent:
    """A client of the server, as a coding agent has one."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        found = await self.client.call_tool(tool, arguments)
        assert not found.is_error, found.content[0].text
        return dict(found.structured_content)

    async def failure(self, tool: str, **arguments: Any) -> str:
        found = await self.client.call_tool(tool, arguments)
        assert found.is_error, found.structured_content
        return str(found.content[0].text)

    async def shell(self, script: str, directory: str = MOUNT) -> str:
        found = await self("run_shell_command", command=["sh", "-c", script], directory=directory)
        assert found["exit_code"] == 0, found
        return str(found["stdout"])


class Box:
    def __init__(self, home: Home, project: Path) -> None:
        self.home, self.project = home, project

    @contextlib.asynccontextmanager
    async def agent(self, *options: str) -> AsyncIterator[Agent]:
        words = [*CALLAO[1:], "mcp", "serve", *options, "box"]
        server = StdioServerParameters(command=CALLAO[0], args=words, env=self._environment())
        async with Client(stdio_client(server)) as client:
            yield Agent(client)

    def callao(self, *arguments: str) -> str:
        done = subprocess.run(
            [*CALLAO, *arguments],
            capture_output=True, text=True, check=False, timeout=600, env=self._environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LIMA_HOME": str(self.home.path)}


@pytest.fixture(scope="module")
def box(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    project = tmp_path_factory.mktemp("project")
    (project / "src" / "deep").mkdir(parents=True)
    (project / "src" / "deep" / "main.c").write_text("int main;\n")
    (project / "README").write_text("first\n")
    with temporary_home(golden) as home:
        mounts = [{"location": str(project), "mountPoint": MOUNT, "writable": True}]
        home.ensure("box", extra={**home.direct(), "mounts": mounts}, warm=True, timeout=600)
        yield Box(home, project)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_an_agent_works_on_the_project_by_six_tools(box: Box) -> None:
    async def work() -> None:
        async with box.agent() as agent:
            tools = (await agent.client.list_tools()).tools
            assert sorted(each.name for each in tools) == [
                "glob", "list_directory", "read_file", "run_shell_command", "search_file_content",
                "write_file",
            ]  # fmt: skip
            await agent("write_file", path=f"{MOUNT}/new/dir/made", content="ünï\n")
            assert (box.project / "new" / "dir" / "made").read_text() == "ünï\n"
            assert await agent("read_file", path=f"{MOUNT}/new/dir/made") == {"content": "ünï\n"}
            # By its path on the host, which differs: the client runs there.
            assert await agent("read_file", path=f"{box.project}/README") == {"content": "first\n"}
            listed = (await agent("list_directory", path=MOUNT))["entries"]
            assert [each["name"] for each in listed] == ["README", "new", "src"]
            assert (await agent("glob", pattern="**/*.c"))["matches"] == [f"{MOUNT}/src/deep/main.c"]
            found = await agent("search_file_content", pattern="int ma", path=f"{MOUNT}/src")
            assert found["git_grep_output"] == "deep/main.c:1:int main;\n"
            found = await agent("run_shell_command", command=["sh", "-c", "pwd; hostname; exit 3"],
                                directory=f"{MOUNT}/src")  # fmt: skip
            assert found == {
                "stdout": f"{MOUNT}/src\nlima-box\n", "stderr": "", "exit_code": 3, "error": "exit status 3",
            }  # fmt: skip

    run(work())


def test_paths_are_confined_and_no_link_leads_out(box: Box) -> None:
    async def work() -> None:
        async with box.agent() as agent:
            await agent.shell("ln -s /etc out; ln -s /etc/passwd passwd; ln -s ../../.. up; ln -s src in")
            assert (await agent("read_file", path=f"{MOUNT}/in/deep/main.c"))["content"] == "int main;\n"
            for path in ("/etc/passwd", f"{MOUNT}/passwd", f"{MOUNT}/out/passwd", f"{MOUNT}/up/etc/passwd",
                         f"{MOUNT}/../../etc/passwd"):  # fmt: skip
                assert "outside of the directories" in await agent.failure("read_file", path=path)
            for tool, arguments in (
                ("list_directory", {"path": f"{MOUNT}/out"}),
                ("write_file", {"path": f"{MOUNT}/out/evil", "content": ""}),
                ("search_file_content", {"pattern": "root", "path": f"{MOUNT}/out"}),
                ("run_shell_command", {"command": ["true"], "directory": f"{MOUNT}/up"}),
            ):
                assert "outside of the directories" in await agent.failure(tool, **arguments)
            assert (await agent("glob", pattern="out/pass*"))["matches"] == []
            assert (await agent("search_file_content", pattern="root:"))["git_grep_output"] == ""
            await agent.shell("rm out passwd up in")

    run(work())


def test_a_cancelled_call_ends_its_command_in_the_guest(box: Box) -> None:
    started = box.project / "started"

    async def work() -> None:
        async with box.agent() as agent:
            script = "sudo -n setsid sleep 4711 & sleep 4711 & touch started; wait"
            call = asyncio.create_task(agent.shell(script))
            while not started.exists():
                await asyncio.sleep(0.05)
            call.cancel()
            await agent.shell("while pgrep -x sleep -a | grep -q 4711; do sleep 0.1; done; rm started")

    run(work())


def test_undo_returns_the_project_and_the_machine(box: Box) -> None:
    async def work() -> None:
        async with box.agent() as agent:
            # In the project's directory it would keep the share from being unmounted, and the machine from a
            # checkpoint.
            await agent.shell("cd / && setsid sleep 4712 >/dev/null 2>&1 & echo before >/var/tmp/disk")
        async with box.agent("--snapshot") as agent:
            script = "echo after >README; rm -r src; echo x >added; rm /var/tmp/disk; pkill -x sleep"
            await agent.shell(script)
            found = await agent("diff")
            assert [(each["path"].removeprefix(f"{box.project}/"), each["change"])
                    for each in found["changes"]] == [
                ("README", "changed"), ("added", "added"), ("src", "removed"), ("src/deep", "removed"),
                ("src/deep/main.c", "removed"),
            ]  # fmt: skip
            await agent("undo")
            assert (box.project / "README").read_text() == "first\n"
            assert not (box.project / "added").exists()
            look = "cat README src/deep/main.c /var/tmp/disk; pgrep -xc sleep; pkill -x sleep"
            assert await agent.shell(look) == "first\nint main;\nbefore\n1\n"

    run(work())
    # A process that outlives the server deletes the machine's snapshots.
    eventually(lambda: not claims(box.home.path / "box" / "checkpoints"))
    assert box.callao("snapshot", "list", "--quiet", "box") == ""


def test_the_server_goes_on_when_another_run_replaces_the_machine(box: Box) -> None:
    async def work() -> None:
        async with box.agent() as agent:
            await asyncio.to_thread(box.callao, "snapshot", "create", "box", "--tag", "mine")
            await agent.shell("touch /var/tmp/since")
            await asyncio.to_thread(box.callao, "snapshot", "apply", "box", "--tag", "mine")
            assert await agent.shell("test ! -e /var/tmp/since && echo gone") == "gone\n"
            assert (await agent("read_file", path=f"{MOUNT}/README"))["content"] == "first\n"

    run(work())


@pytest.mark.long
def test_the_server_goes_on_when_the_machine_is_restarted(box: Box) -> None:
    async def work() -> None:
        async with box.agent() as agent:
            boot = await agent.shell("cat /proc/sys/kernel/random/boot_id")
            await asyncio.to_thread(box.callao, "restart", "box")
            assert await agent.shell("cat /proc/sys/kernel/random/boot_id") != boot
            assert (await agent("read_file", path=f"{MOUNT}/README"))["content"] == "first\n"

    run(work())


@pytest.mark.long
def test_one_command_gives_a_project_a_closed_box_and_the_clients_configuration(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("first\n")
    # The release that the template has, from which it differs in size and in what it is booted from alone.
    with temporary_home(build_golden(release="13")) as home:
        template = home.path / "agent.yaml"
        document = {"base": ["template:agent"], "cpus": 1, "memory": "1GiB", "disk": "6GiB", **home.direct()}
        template.write_text(dump(load(json.dumps(document), "test")))
        box = Box(home, tmp_path)
        setup = ("mcp", "setup", str(tmp_path), "--template", str(template), "--timeout", "9m")
        server = _configured(box, box.callao(*setup))
        assert box.callao("snapshot", "list", "--quiet", "agent") == "pristine\n"
        run(_work_as_an_agent(server, tmp_path))
        eventually(lambda: not claims(home.path / "agent" / "checkpoints"))
        assert box.callao("snapshot", "list", "--quiet", "agent") == "pristine\n"
        # Those before the undo are in the log alone.
        refused = map(json.loads, (home.path / "agent" / "egress.log").read_text().splitlines())
        tried = {(each["protocol"], each["address"] or each["name"], each["port"]) for each in refused}
        assert tried >= {("tcp", "192.168.5.2", 22), ("tcp", "192.0.2.1", 22), ("dns", "evil.example", 0)}
        # Once more it starts nothing, and says the same.
        assert _configured(box, box.callao(*setup)) == server


def _configured(box: Box, claude: str) -> StdioServerParameters:
    """How the server is started, by each client's configuration."""
    others = {
        each: box.callao("mcp", "config", "agent", "--client", each)
        for each in ("codex", "gemini", "vscode")
    }
    found = [
        json.loads(claude)["mcpServers"]["lima"],
        tomllib.loads(others["codex"])["mcp_servers"]["lima"],
        json.loads(others["gemini"])["mcpServers"]["lima"],
        json.loads(others["vscode"])["servers"]["lima"],
    ]
    starts = [{key: each[key] for key in ("command", "args", "env")} for each in found]
    assert starts[1:] == starts[:1] * 3
    start = starts[0]
    return StdioServerParameters(
        command=start["command"], args=start["args"], env={**os.environ, **start["env"]}
    )


async def _work_as_an_agent(server: StdioServerParameters, project: Path) -> None:
    readme = project / "README"
    async with Client(stdio_client(server)) as client:
        agent = Agent(client)
        await agent("checkpoint", name="begin")
        await agent("write_file", path=str(readme), content="second\n")
        assert readme.read_text() == "second\n"
        assert "outside of the directories" in await agent.failure("read_file", path="/etc/passwd")
        # The host's own services by its address, an address without a name, a name that is not allowed.
        for host in ("192.168.5.2", "192.0.2.1", "evil.example"):
            script = f"! timeout 20 bash -c '>/dev/tcp/{host}/22' 2>/dev/null; sudo touch /var/tmp/made"
            await agent.shell(f"{script}; echo third >made", str(project))
        found = await agent("diff", checkpoint="begin")
        assert [(each["path"], each["change"]) for each in found["changes"]] == [
            (str(readme), "changed"), (str(project / "made"), "added"),
        ]  # fmt: skip
        await agent("undo", checkpoint="begin")
        assert (readme.read_text(), (project / "made").exists()) == ("first\n", False)
        assert await agent.shell("test ! -e /var/tmp/made && cat README", str(project)) == "first\n"
