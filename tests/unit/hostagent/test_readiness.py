# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest says of its boot, by the script that looks there, on files of a guest of either kind."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from callao.drivers.qemu.driver import QemuDriver
from callao.errors import AgentError, StageFailed
from callao.events import Stage
from callao.hostagent.boot import readiness
from callao.instances import InstancePaths
from callao.reach import Reach

_RESULT = '{"v1": {"errors": ["no route"]}}\n'


def told(
    root: Path, files: dict[str, str], *replaced: tuple[str, str]
) -> tuple[readiness._BootOutput, list[Stage]]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    script = readiness._BOOT_WATCH_SCRIPT
    for old, new in (("/run/", f"{root}/"), ("GRACE", "2"), *replaced):
        assert old in script
        script = script.replace(old, new)
    said = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout
    passed: list[Stage] = []
    heard = readiness._BootOutput(passed.append, lambda *_: None)
    for line in said.splitlines():
        heard.line(line)
    return heard, passed


def test_a_guest_without_cloud_init_has_the_stage_of_its_own_system(tmp_path: Path) -> None:
    files = {"callao/first-boot": "", "callao/errors": "add_user failed\n", "lima-boot-done": "code=0\n"}
    heard, passed = told(tmp_path, files)
    assert passed == [Stage.FIRST_BOOT]
    assert (heard.first_stage, heard.exit_code, heard.errors) == (Stage.FIRST_BOOT, "0", ["add_user failed"])
    assert (heard.stage, heard.activity) == (Stage.PROVISION, "the boot scripts")


def test_the_boot_may_have_ended_before_the_process_that_waits_for_that_is_known(tmp_path: Path) -> None:
    files = {"callao/first-boot": "", "lima-boot-done": "code=3\nfailed=provision[0] (user)\n"}
    heard, _ = told(tmp_path, files, ('echo "$!"', 'sleep 0.2; echo "$!"'))
    assert (heard.exit_code, heard.failed) == ("3", ["provision[0] (user)"])


def test_a_guest_with_cloud_init_has_cloud_inits(tmp_path: Path) -> None:
    files = {"cloud-init/result.json": _RESULT, "lima-boot-done": "code=3\nfailed=provision[0] (user)\n"}
    heard, passed = told(tmp_path, files)
    assert passed == [Stage.CLOUD_INIT]
    assert (heard.exit_code, heard.failed, heard.errors) == ("3", ["provision[0] (user)"], ["no route"])


def test_a_guest_whose_boot_scripts_never_report_is_not_waited_for(tmp_path: Path) -> None:
    heard, _ = told(tmp_path, {"cloud-init/result.json": _RESULT})
    assert heard.exit_code == "missing"


@pytest.mark.parametrize(
    ("said", "stage", "busy"),
    [
        ([], Stage.SSHD, "the first login"),
        (["cloud-init"], Stage.CLOUD_INIT, "cloud-init"),
        (["cloud-init", "result {}"], Stage.PROVISION, "the boot scripts"),
        (["first-boot"], Stage.PROVISION, "the boot scripts"),
    ],
)
def test_who_is_at_work_has_a_name(said: list[str], stage: Stage, busy: str) -> None:
    heard = readiness._BootOutput(lambda _: None, lambda *_: None)
    for line in said:
        heard.line(line)
    assert (heard.stage, heard.activity) == (stage, busy)


@pytest.mark.parametrize("said", ["This account is currently not available.", ""])
def test_a_user_for_whom_the_guest_runs_nothing_is_told_at_once(tmp_path: Path, said: str) -> None:
    """As one of the image's own system accounts."""

    class Refused:
        async def stream(self, _script: str, line: Callable[[str], None]) -> int:
            line(said)
            return 1

    client: Any = Refused()
    paths, nobody = InstancePaths(tmp_path), cast("asyncio.subprocess.Process", None)
    watch = readiness._follow_boot(
        paths, QemuDriver(), client, 0, nobody, time.monotonic() + 60, lambda _: None, lambda *_: None
    )
    with pytest.raises(StageFailed, match=f"the login shell prints '{said or 'nothing'}'.*user.name"):
        asyncio.run(watch)


def test_a_guest_that_refuses_connections_has_none_but_logins_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection that only looks for a banner would start an sshd there."""
    monkeypatch.setattr(readiness, "_RETRY_DELAY", 0.01)
    monkeypatch.setattr("callao.hostagent.boot.sshd_banner._SILENT_START", 0.0)
    looks: list[asyncio.StreamWriter] = []
    closed = "ssh: kex_exchange_identification: Connection closed by remote host"
    answers = iter([closed, closed, ""])

    class Refused:
        async def open_master(self, timeout: float) -> str:
            assert timeout > 1.0
            if message := next(answers):
                raise AgentError(message)
            return "master"

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        looks.append(writer)
        writer.close()

    async def log_in() -> object:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            reach, client = Reach(server.sockets[0].getsockname()[1]), cast("Any", Refused())
            paths = InstancePaths(tmp_path)
            return await readiness._log_in(paths, QemuDriver(), client, reach, time.monotonic() + 60)

    assert (asyncio.run(log_in()), len(looks)) == ("master", 1)


def test_nothing_is_waited_for_after_the_last_line(tmp_path: Path) -> None:
    heard, _ = told(tmp_path, {"callao/first-boot": "", "lima-boot-done": "code=0\n"})
    assert not heard.line("boot failed=x")
    assert heard.line("end")
