# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mcp serve`` over standard input and output, with a real sshd for the guest's.

The numbered cases are those of Lima's own suite for its server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from support.sshd import Box, Sshd, free_port, keygen
from support.waiting import eventually

from callao.config import dump
from callao.mcp.checkpoints.claim import claims

CALLAO = [sys.executable, "-m", "callao.cli.main"]


@dataclass
class Place:
    """An instance whose guest is an sshd of this machine, and a shared directory."""

    home: Path
    shared: Path
    sshd: Sshd
    box: Box

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LIMA_HOME": str(self.home)}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="mcp-", dir="/tmp"))
    (folder / "h" / "_config").mkdir(parents=True)
    key = keygen(folder / "h" / "_config" / "user")
    shared = folder / "shared"
    (shared / "tests").mkdir(parents=True)
    (shared / "tests" / "mcp.bats").write_text("first\nneedle in a haystack\n💡\n")
    sshd = Sshd(folder / "sshd", free_port(), Path(f"{key}.pub"), user_home=str(folder))
    box = Box(folder / "h", Sshd)
    sshd.start()
    paths = box.instance("web", sshd)
    mounts = [{"location": str(shared), "mountPoint": str(shared), "writable": True}]
    (paths / "lima.yaml").write_text(dump({"images": [{"location": "/nowhere.qcow2"}], "mounts": mounts}))
    yield Place(folder / "h", shared, sshd, box)
    sshd.kill()
    shutil.rmtree(folder)


@dataclass
class Served:
    """A server's standard input and output, a line a message."""

    process: subprocess.Popen[str]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        number = next(self.numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.process.stdin.write(json.dumps(request, ensure_ascii=False) + "\n")
        self.process.stdin.flush()
        while "method" in (answer := json.loads(self.process.stdout.readline())):
            pass
        assert answer["id"] == number
        return dict(answer)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return dict(self.ask("tools/call", name=tool, arguments=arguments)["result"])

    def failure(self, tool: str, **arguments: Any) -> str:
        found = self.call(tool, **arguments)
        assert found["isError"] is True
        assert "structuredContent" not in found
        return str(found["content"][0]["text"])


@pytest.fixture(scope="module")
def served(place: Place) -> Iterator[Served]:
    process = subprocess.Popen(
        [*CALLAO, "mcp", "serve", "--root", "/", "web"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place.shared, env=place.environment(),
    )  # fmt: skip
    served = Served(process)
    answer = served.ask("initialize", protocolVersion="2025-06-18")["result"]
    assert answer["serverInfo"]["name"] == "lima"
    assert answer["protocolVersion"] == "2025-06-18"
    yield served
    process.communicate()
    assert process.returncode == 0


def test_the_tools_and_their_schemas_are_limas(served: Served) -> None:  # 1, 2
    tools = served.ask("tools/list")["result"]["tools"]
    assert [each["name"] for each in tools] == [
        "glob", "list_directory", "read_file", "run_shell_command", "search_file_content", "write_file",
    ]  # fmt: skip
    run = next(each for each in tools if each["name"] == "run_shell_command")
    assert run["inputSchema"]["required"] == ["command", "directory"]
    assert set(run["inputSchema"]["properties"]) == {"command", "description", "directory"}
    assert run["outputSchema"]["required"] == ["stdout", "stderr"]
    assert set(run["outputSchema"]["properties"]) == {"error", "exit_code", "stdout", "stderr"}
    for schema in [each[kind] for each in tools for kind in ("inputSchema", "outputSchema")]:
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert all(each["description"] for each in schema.get("properties", {}).values())


def test_a_command_is_run_in_its_directory(served: Served) -> None:  # 3, 4, 5
    found = served.call("run_shell_command", directory="/etc", command=["cat", "os-release"])
    expected = {"exit_code": 0, "stdout": Path("/etc/os-release").read_text(), "stderr": ""}
    assert found["structuredContent"] == expected
    assert found["content"][0]["type"] == "text"
    assert json.loads(found["content"][0]["text"]) == expected
    script = "echo NO>&2; exit 13"
    found = served.call("run_shell_command", directory="/", command=["bash", "-c", script])
    result = found["structuredContent"]
    assert result == {"exit_code": 13, "error": "exit status 13", "stdout": "", "stderr": "NO\n"}
    result = served.call("run_shell_command", directory="/etcetera", command=["cat", "os-release"])
    assert result["structuredContent"]["exit_code"] == 1
    assert "No such file or directory" in result["structuredContent"]["stderr"]


def test_a_file_is_read(served: Served) -> None:  # 6, 7, 8
    found = served.call("read_file", path="/etc/os-release")
    text = Path("/etc/os-release").read_text()
    assert found["structuredContent"] == {"content": text}
    assert json.loads(found["content"][0]["text"]) == {"content": text}
    assert served.failure("read_file", path="/etc/os-release-info") == "file does not exist"
    assert "expected an absolute path" in served.failure("read_file", path="os-release")


def test_a_file_is_written(served: Served, tmp_path: Path) -> None:  # 9, 10, 12; 11 needs a user
    path = tmp_path / "mcp.test"
    for content in ("foo", "bar"):
        found = served.call("write_file", path=str(path), content=content)
        assert [each["text"] for each in found["content"]] == ["{}"]
        assert path.read_text() == content
    assert not served.call("write_file", path=f"{tmp_path}/tmp/tmp", content="tmp").get("isError")
    assert (tmp_path / "tmp" / "tmp").read_text() == "tmp"
    assert "expected an absolute path" in served.failure("write_file", path="tmp/mcp.test", content="baz")


def test_files_are_found_below_the_working_directory(served: Served) -> None:  # 13 to 17
    found = served.call("glob", pattern="*/*p.bats")["structuredContent"]["matches"]
    assert any(each.endswith("/tests/mcp.bats") for each in found)
    assert served.call("glob", pattern="nothing.to.see")["structuredContent"] == {"matches": []}

    def search(pattern: str) -> str:
        found = served.call("search_file_content", pattern=pattern)
        return str(found["structuredContent"]["git_grep_output"])

    assert search("needle in a haystack") == "tests/mcp.bats:2:needle in a haystack\n"
    assert search("\U0001f4a1") == "tests/mcp.bats:3:\U0001f4a1\n"
    assert search("\U0001f4a1 not found") == ""


def test_arguments_are_checked_by_the_schema(served: Served) -> None:
    for arguments in ({}, {"path": 1}, {"path": "/x", "more": 1}):
        assert served.failure("read_file", **arguments).startswith('validating "arguments": ')
    error = served.ask("tools/call", name="no_such_tool", arguments={})["error"]
    assert (error["code"], error["message"]) == (-32602, 'unknown tool "no_such_tool"')
    assert served.ask("no/such/method")["error"]["code"] == -32601
    assert served.ask("ping")["result"] == {}


@contextlib.asynccontextmanager
async def client_of(place: Place, *options: str) -> AsyncIterator[Client]:
    """The library's own client, and a server that it starts."""
    server = StdioServerParameters(
        command=CALLAO[0], args=[*CALLAO[1:], "mcp", "serve", *options, "web"], env=place.environment(),
        cwd=place.home,
    )  # fmt: skip
    async with Client(stdio_client(server)) as client:
        yield client


def test_a_client_is_confined_to_the_shared_directory_and_survives_a_restart(place: Place) -> None:
    async def used() -> None:
        async with client_of(place) as client:
            assert str(place.shared) in (client.instructions or "")
            found = await client.call_tool("list_directory", {"path": str(place.shared)})
            assert [each["name"] for each in found.structured_content["entries"]] == ["tests"]
            for tool in ("read_file", "list_directory"):
                found = await client.call_tool(tool, {"path": "/etc/passwd"})
                assert found.is_error
                assert "outside of the directories" in found.content[0].text
            place.sshd.kill()
            found = await client.call_tool("glob", {"pattern": "**/*.bats"})
            assert found.is_error
            assert "the status is Stopped, not Running" in found.content[0].text
            place.sshd.start()
            (place.home / "web" / "ha.pid").write_text(f"{place.sshd.pid}\n")
            found = await client.call_tool("glob", {"pattern": "**/*.bats"})
            assert found.structured_content == {"matches": [f"{place.shared}/tests/mcp.bats"]}

    asyncio.run(used())


def test_a_call_that_the_client_gives_up_ends_its_command(place: Place) -> None:
    pid_file = place.shared / "pid"

    async def used() -> None:
        async with client_of(place) as client:
            script = f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000"
            arguments = {"command": ["sh", "-c", script], "directory": str(place.shared)}
            call = asyncio.create_task(client.call_tool("run_shell_command", arguments))
            while not pid_file.exists():
                await asyncio.sleep(0.02)
            call.cancel()
            while Path(f"/proc/{pid_file.read_text().strip()}").exists():
                await asyncio.sleep(0.02)

    asyncio.run(used())


def run(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CALLAO, "mcp", *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=place.environment(), cwd=place.home,
    )  # fmt: skip


def test_what_cannot_be_served_is_an_error_before_any_answer(place: Place) -> None:
    stopped = place.home / "stopped"
    stopped.mkdir(exist_ok=True)
    (stopped / "lima.yaml").write_text("images:\n- location: /nowhere.qcow2\n")
    for arguments, words in (
        (("none",), "none"),
        (("stopped",), "is not running"),
        (("--root", "relative", "web"), "--root: 'relative'"),
        (("--max-output", "1GiB", "web"), "--max-output: '1GiB'"),
    ):
        done = run(place, "serve", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr


def test_info_prints_the_tools_without_an_instance(place: Place, served: Served) -> None:
    done = run(place, "info")
    assert done.stdout.startswith('{\n    "tools": [\n')
    assert not done.stdout.endswith("\n")
    tools = json.loads(done.stdout)["tools"]
    assert tools == served.ask("tools/list")["result"]["tools"]


def test_a_clients_configuration_starts_this_program(place: Place) -> None:
    done = run(place, "config", "--client", "vscode", "web")
    assert "belongs in .vscode/mcp.json" in done.stderr
    server = json.loads(done.stdout)["servers"]["lima"]
    assert server["args"][-4:] == ["mcp", "serve", "--snapshot", "web"]
    assert server["env"] == {"LIMA_HOME": str(place.home)}


def test_an_instance_with_another_share_is_not_taken_for_a_project(place: Place) -> None:
    done = run(place, "setup", "--name", "web", str(place.home))
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not share" in done.stderr


def test_limas_own_program_finds_the_server_as_its_plugin(place: Place) -> None:
    callao = shutil.which("callao", path=Path(sys.executable).parent)
    assert callao is not None
    plugin = place.home.parent / "limactl-mcp"
    plugin.symlink_to(callao)
    done = subprocess.run([plugin, "info"], capture_output=True, text=True, check=True)
    assert '"name": "run_shell_command"' in done.stdout


def test_without_the_library_the_extra_is_named(place: Place) -> None:
    script = "import sys; sys.modules['mcp'] = None; from callao.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "mcp", "serve"], capture_output=True, text=True, check=False,
        env=place.environment(),
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'callao[mcp]'" in done.stderr


def test_checkpoints_and_http_are_served_by_the_command_too(place: Place) -> None:
    async def used() -> None:
        async with client_of(place, "--snapshot-files") as client:
            arguments = {"path": f"{place.shared}/made", "content": "x"}
            await client.call_tool("write_file", arguments)
            found = await client.call_tool("diff", {})
            changes = found.structured_content["changes"]
            assert {"path": f"{place.shared}/made", "change": "added"} in changes
            await client.call_tool("undo", {})
            assert not (place.shared / "made").exists()
            assert len(claims(place.home / "web" / "checkpoints")) == 1

    asyncio.run(used())
    eventually(lambda: not claims(place.home / "web" / "checkpoints"))
    done = run(place, "serve", "--listen", "127.0.0.1:0", "web")
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs a token" in done.stderr
