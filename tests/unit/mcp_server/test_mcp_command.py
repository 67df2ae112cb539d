# SPDX-License-Identifier: GPL-3.0-or-later
"""run_shell_command: its result, its limits, and the end of all that it has started."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp_server.conftest import LocalGuest, Tools
from support.waiting import until

from callao.mcp.connection import Connection
from callao.mcp.workspace import ToolFailure


def test_a_command_gives_its_outputs_and_status(tools: Tools) -> None:
    assert tools.shell("echo out; echo err >&2; pwd") == {
        "stdout": f"out\n{tools.root}\n",
        "stderr": "err\n",
        "exit_code": 0,
    }
    found = tools.shell("echo NO >&2; exit 13")
    assert found == {"stdout": "", "stderr": "NO\n", "exit_code": 13, "error": "exit status 13"}
    assert tools.shell("kill -9 $$")["exit_code"] == 137
    assert tools.shell("cat; echo read")["stdout"] == "read\n"


def test_arguments_arrive_as_they_are(tools: Tools) -> None:
    words = ["a  b", "$HOME", "it's", "", "-n", "new\nline", "*", "ü"]
    found = tools("run_shell_command", command=["printf", "<%s>", *words], directory=str(tools.root))
    assert found["stdout"] == "".join(f"<{each}>" for each in words)
    command = ["A=1", "sh", "-c", "echo $A"]
    assert tools("run_shell_command", command=command, directory=str(tools.root))["stdout"] == "1\n"


def test_a_directory_that_is_missing_is_the_shells_error(tools: Tools) -> None:
    found = tools("run_shell_command", command=["true"], directory=f"{tools.root}/none")
    assert (found["exit_code"], found["stdout"]) == (1, "")
    assert "No such file or directory" in found["stderr"]
    failure = tools.failure("run_shell_command", command=["true"], directory="/etc")
    assert "outside of the directories" in failure
    (tools.root / "out").symlink_to("/etc")
    failure = tools.failure("run_shell_command", command=["true"], directory=f"{tools.root}/out")
    assert "outside of the directories" in failure


def test_an_empty_command_is_refused(tools: Tools) -> None:
    for command in ([], None):
        failure = tools.failure("run_shell_command", command=command, directory=str(tools.root))
        assert failure == "command is empty"
    failure = tools.failure("run_shell_command", command=["a\0"], directory=str(tools.root))
    assert "NUL" in failure


def test_endless_output_is_cut_in_the_middle(tools: Tools) -> None:
    found = tools.shell("echo first; yes | head -c 3000000; echo last")
    assert found["stdout"].startswith("first\ny\n")
    assert found["stdout"].endswith("y\nlast\n")
    assert "\n[cut: 29" in found["stdout"]
    assert len(found["stdout"]) < 4300
    assert len(tools.notices) == 1
    assert found["exit_code"] == 0


def test_output_that_is_no_text_is_made_text(tools: Tools) -> None:
    assert tools.shell(r"printf '\377\0x'")["stdout"] == "\N{REPLACEMENT CHARACTER}\0x"


LEAVES = "echo $$ > {0}/1; (setsid sh -c 'echo $$ > {0}/2; exec sleep 1000' &) ; echo begun; exec sleep 1000"
"""A command, and a process that has left its session and its parent."""


def pids(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in ("1", "2") if (folder / name).exists()]


def all_begun(folder: Path) -> bool:
    return (
        len([each for each in ("1", "2") if (folder / each).exists() and (folder / each).read_text()]) == 2
    )


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_command_that_runs_too_long_is_ended_with_all_it_started(tools: Tools) -> None:
    tools.limits = type(tools.limits)(command=1.5)
    found = tools.shell(LEAVES.format(tools.root))
    assert found["error"] == "time limit: the command ran for 1.5 s and was ended"
    assert found["stdout"] == "begun\n"
    assert "exit_code" not in found
    tools.wait(until(lambda: all(map(ended, pids(tools.root)))))


def test_a_cancelled_call_ends_its_command(tools: Tools) -> None:
    async def cancelled() -> None:
        command = ["sh", "-c", LEAVES.format(tools.root)]
        call = asyncio.create_task(
            tools.start("run_shell_command", command=command, directory=str(tools.root))
        )
        while not all_begun(tools.root):
            await asyncio.sleep(0.02)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    tools.wait(cancelled())
    tools.wait(until(lambda: all(map(ended, pids(tools.root)))))
    assert tools.shell("echo still here")["stdout"] == "still here\n"


def test_what_a_command_left_in_the_background_does_not_hold_it_up(tools: Tools) -> None:
    found = tools.shell("sleep 1000 & echo $!")
    pid = int(found["stdout"])
    assert found["exit_code"] == 0
    assert not ended(pid)
    os.kill(pid, 9)


def test_calls_run_side_by_side(tools: Tools) -> None:
    """The first waits for a file that the second makes."""

    async def both() -> list[dict[str, object]]:
        wait = f"while [ ! -e {tools.root}/go ]; do sleep 0.02; done; echo went"
        return await asyncio.gather(
            tools.start("run_shell_command", command=["sh", "-c", wait], directory=str(tools.root)),
            tools.start("write_file", path=f"{tools.root}/go", content=""),
        )

    assert tools.wait(both())[0]["stdout"] == "went\n"


def test_the_end_of_the_connection_ends_all_commands(tools: Tools) -> None:
    async def closed() -> None:
        connection = Connection(LocalGuest())
        other = Tools(tools.runner, connection, tools.root)
        command = ["sh", "-c", LEAVES.format(tools.root)]
        call = asyncio.create_task(
            other.start("run_shell_command", command=command, directory=str(tools.root))
        )
        while not all_begun(tools.root):
            await asyncio.sleep(0.02)
        await connection.close()
        with pytest.raises(ToolFailure, match="connection to the guest was lost"):
            await call

    tools.wait(closed())
    tools.wait(until(lambda: all(map(ended, pids(tools.root)))))


def test_after_a_lost_connection_the_next_call_connects_again(tools: Tools) -> None:
    async def lost() -> tuple[str, dict[str, object], dict[str, object]]:
        connection = Connection(LocalGuest())
        other = Tools(tools.runner, connection, tools.root)
        await other.start("write_file", path=f"{tools.root}/a", content="text")
        kill = "kill -9 $(ps -o ppid= -p $PPID) $PPID"  # the process of the call, and the program
        try:
            await other.start("run_shell_command", command=["sh", "-c", kill], directory=str(tools.root))
        except ToolFailure as error:
            message = str(error)
        found = await other.start("read_file", path=f"{tools.root}/a")
        kill_all(connection)
        again = await other.start("read_file", path=f"{tools.root}/a")
        await connection.close()
        return message, found, again

    def kill_all(connection: Connection) -> None:
        """The machine is restarted between two calls."""
        session = connection._session
        assert session is not None
        session.process.kill()

    message, found, again = tools.wait(lost())
    assert "whether it had its effect is not known" in message
    assert found == again == {"content": "text"}


READY_THEN = "echo '{\"ready\": 1}'; read -r first; "
"""Say so, and read the sources with the first request."""

LOST = "lost during the call"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo no route >&2; exit 255", "the guest cannot be reached: no route"),
        ("exit 0", "the guest cannot be reached: "),
        ("echo nonsense", "the guest cannot be reached"),
        ("yes | tr -d '\\n' | head -c 40M", "the guest cannot be reached"),
        ("yes", "the guest cannot be reached"),
        (READY_THEN + "echo garbage; sleep 0.1", LOST),
        (READY_THEN + "yes | tr -d '\\n'", LOST),
        (READY_THEN + "yes '{\"id\": 7}'", LOST),
        (READY_THEN + "yes '[' | tr -d '\\n' | head -c 20M; echo", LOST),
        (READY_THEN + "echo '{\"id\": [1]}'", LOST),
        (READY_THEN + 'printf \'{"id": 1, "result": {"stdout\'', LOST),
        (READY_THEN + "echo '{\"id\": 1}'; cat >/dev/null", "something else than a result"),
        (READY_THEN + 'echo \'{"id": 1, "result": {"stdout": 1}}\'; cat >/dev/null', "something else"),
        (READY_THEN + 'echo \'{"id": 1, "error": {}}\'; cat >/dev/null', "something else"),
        (READY_THEN + 'echo \'{"id": 1, "error": "\\u001b[2Jgone"}\'; cat >/dev/null', "^gone$"),
    ],
)
def test_a_guest_that_answers_anything_else_is_an_error(tools: Tools, script: str, expected: str) -> None:
    async def called() -> None:
        connection = Connection(Script(script), 1024)
        other = Tools(tools.runner, connection, tools.root)
        try:
            with pytest.raises(ToolFailure, match=expected):
                await other.start("run_shell_command", command=["true"], directory=str(tools.root))
        finally:
            await connection.close()

    tools.wait(called())


@dataclass(frozen=True)
class Script:
    """A guest that runs a script in place of the program."""

    script: str

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["bash", "-c", self.script, *command]


def test_what_login_scripts_print_comes_before_the_program(tools: Tools) -> None:
    async def called() -> None:
        connection = Connection(Script('echo Welcome; echo; exec "$0" "$@"'))
        other = Tools(tools.runner, connection, tools.root)
        try:
            assert (await other.start("glob", pattern="*"))["matches"] == []
        finally:
            await connection.close()

    tools.wait(called())


def test_an_answer_to_a_call_that_was_given_up_does_no_harm(tools: Tools) -> None:
    first, second = ({"id": number, "result": {"matches": [str(number)]}} for number in (1, 2))
    script = f"{READY_THEN}read x; echo '{json.dumps(first)}'; read x; echo '{json.dumps(second)}'; cat"

    async def called() -> dict[str, Any]:
        connection = Connection(Script(script))
        other = Tools(tools.runner, connection, tools.root)
        try:
            call = asyncio.create_task(other.start("glob", pattern="*"))
            while connection._session is None or not connection._session.waiting:
                await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            return await other.start("glob", pattern="*")
        finally:
            await connection.close()

    assert tools.wait(called()) == {"matches": ["2"]}
