# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest writes and says takes no more of the host than is documented."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.waiting import until

from callao.events import Stage
from callao.hostagent.boot import readiness
from callao.hostagent.log_limit import KEPT_SIZE, limit_logs, truncate_log
from callao.token_bucket import TokenBucket


def test_a_log_beyond_its_limit_begins_anew_and_its_end_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    other = tmp_path / "disk"
    other.write_bytes(bytes(1000))

    async def play() -> None:
        keeper = asyncio.ensure_future(limit_logs(tmp_path, limit=500, interval=0.01))
        with log.open("ab") as file:
            for number in range(3):
                file.write(b"x" * 600 + b"%d" % number)
                file.flush()
                await until(lambda: log.stat().st_size == 0)
            file.write(b"and on")
        keeper.cancel()

    asyncio.run(play())
    assert log.read_bytes() == b"and on"
    assert (tmp_path / "serial.log.1").read_bytes() == b"x" * 600 + b"2"
    assert other.stat().st_size == 1000


def test_of_a_log_that_is_much_too_large_the_end_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"a" * KEPT_SIZE + b"b" * KEPT_SIZE)
    truncate_log(log)
    assert (tmp_path / "serial.log.1").read_bytes() == b"b" * KEPT_SIZE
    assert log.read_bytes() == b""


def test_a_ration_is_so_many_at_once_and_so_many_a_second() -> None:
    now = [0.0]
    ration = TokenBucket(3, 2.0, lambda: now[0])
    assert [ration.try_take() for _ in range(5)] == [True, True, True, False, False]
    now[0] = 1.0
    assert [ration.try_take() for _ in range(3)] == [True, True, False]
    assert (ration.take_dropped(), ration.take_dropped()) == (3, 0)


def test_what_a_guest_says_of_its_boot_is_cut_short() -> None:
    passed: list[Stage] = []
    noted: list[str] = []
    told = readiness._BootOutput(passed.append, lambda _, text: noted.append(text))
    for _ in range(1000):
        told.line("log " + "x" * 60_000)
        told.line("boot failed=" + "y" * 60_000)
        told.line('result {"v1": {"errors": ["' + "z" * 60_000 + '"]}}')
    told.line("boot code=" + "1" * 60_000)
    assert [len(each) for each in noted] == [500]
    assert [len(each) for each in told.failed] == [500] * 100
    assert [len(each) for each in told.errors] == [500]
    assert passed == [Stage.CLOUD_INIT]


@pytest.mark.parametrize(
    "result", ["", "{}", '{"v1": {"errors": 5}}', "[" * 60_000, '{"v1": {"errors": {}}}']
)
def test_a_result_of_cloud_init_that_is_none_is_no_exception(result: str) -> None:
    told = readiness._BootOutput(lambda _: None, lambda *_: None)
    told.line(f"result {result}")
    assert told.first_stage_done
