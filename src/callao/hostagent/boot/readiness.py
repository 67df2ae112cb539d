# SPDX-License-Identifier: GPL-3.0-or-later
"""From a machine that runs to a guest that has booted: each stage waited for, then told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from callao.config import Config
from callao.drivers import Driver
from callao.errors import AgentError, StageFailed
from callao.events import Stage
from callao.hostagent.boot import evidence, yq_edits
from callao.hostagent.boot.greeting import greeted
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh import Client, terminate

Passed = Callable[[Stage], None]
Note = Callable[[Stage, str], None]

_WRONG_KEY = "the guest's sshd has another host key than the one that this instance was given"

_SETTLING = 180.0
"""Seconds that a wrong host key may be that of an earlier run, as of limactl's: the first-boot system, which
sets ours, may start after sshd, and takes minutes in an emulated guest."""

_FIRST_LOGIN = 20.0
"""Seconds for the first login to a guest that goes on; an emulated one needs half a second."""

_LOST = 255
"""The status of an ssh whose connection failed or ended, see ssh(1)."""

_QUICK = ("-o", "KexAlgorithms=curve25519-sha256")
"""The key exchange that costs an emulated guest least; what is said stays on this host, so that nobody keeps
it for the quantum computers to come."""

_BOOT_DONE_GRACE = 60.0
"""Seconds that our boot scripts may end after cloud-init says that it is done."""

_WATCH = """\
await() {
  tick=0
  while [ ! -s "$1" ]; do
    sleep "$2"
    tick=$((tick + 1))
    if [ "$tick" -ge "$3" ]; then
      tick=0
      printf 'log %s\\n' "$(sudo -n tail -n 1 /var/log/cloud-init-output.log 2>/dev/null)"
    fi
  done
}
if [ -e /run/callao/first-boot ]; then
  echo first-boot
  await /run/lima-boot-done 0.1 50
  [ ! -e /run/callao/errors ] || sed 's/^/error /' /run/callao/errors
else
  echo cloud-init
  await /run/cloud-init/result.json 0.4 12
  printf 'result %s\\n' "$(tr -d '\\n' </run/cloud-init/result.json)"
  tick=0
  while [ ! -s /run/lima-boot-done ]; do
    sleep 0.4
    tick=$((tick + 1))
    [ "$tick" -lt GRACE ] || { echo 'boot code=missing'; exit 0; }
  done
fi
sed 's/^/boot /' /run/lima-boot-done
"""
"""Looks for files, since ``cloud-init status`` starts a Python: seconds of work in an emulated guest."""


@dataclass(frozen=True)
class Watched:
    """What the guest said of its boot.

    ``first`` is the stage of whichever system set it up.
    """

    first: Stage
    errors: tuple[str, ...]
    code: str
    failed: tuple[str, ...]


async def await_booted(
    paths: InstancePaths,
    driver: Driver,
    config: Config,
    client: Client,
    reach: Reach,
    deadline: float,
    passed: Passed,
    note: Note,
) -> asyncio.subprocess.Process:
    """Wait for sshd, the first boot's work and the boot scripts; returns the ssh master.

    :param deadline: on :func:`time.monotonic`'s clock, for all of it.
    :raises StageFailed: naming the stage that failed, with the lines that explain it.
    """
    master = await _await_sshd(paths, driver, client, reach, deadline)
    passed(Stage.SSHD)
    try:
        async with yq_edits.answered(config, client):
            watched, master = await _watch(paths, driver, client, reach, master, deadline, passed, note)
        for error in watched.errors:
            note(watched.first, f"{_REPORTERS[watched.first]} reports: {error}")
        if watched.code != "0":
            raise await _provision_failed(watched, client)
        passed(Stage.PROVISION)
    except BaseException:
        await terminate(master)
        raise
    return master


async def _await_sshd(
    paths: InstancePaths, driver: Driver, client: Client, reach: Reach, deadline: float
) -> asyncio.subprocess.Process:
    """Wait until sshd lets us in; returns the ssh master.

    :raises StageFailed: when it does not by the deadline, or is not the one that we know.
    """
    last = "no answer on the ssh port"
    wrong_since: float | None = None
    while (left := deadline - time.monotonic()) > 0:
        if not await greeted(reach, paths.serial_log, left):
            break
        left = deadline - time.monotonic()
        try:
            return await client.open_master(timeout=max(1.0, min(left, 60.0)))
        except AgentError as error:
            last = str(error)
            if "HOST IDENTIFICATION HAS CHANGED" in last or "host key verification failed" in last.lower():
                wrong_since = wrong_since or time.monotonic()
                if _first_boot_is_done(paths) or time.monotonic() - wrong_since > _SETTLING:
                    raise _wrong_host_key(paths) from None
                last = _WRONG_KEY
            await asyncio.sleep(0.5)
    raise StageFailed(
        f"sshd in the guest refused the login: {last}.",
        stage=Stage.SSHD,
        evidence=evidence.of_machine(driver.evidence(paths)),
        hint="Raise 'timeout' if the guest was still booting.",
    )


def _first_boot_is_done(paths: InstancePaths) -> bool:
    """By what cloud-init says on the console at its end, see its documentation, "final_message"."""
    return re.search(r"Cloud-init v\. \S+ finished at", evidence.tail(paths.serial_log)) is not None


def _wrong_host_key(paths: InstancePaths) -> StageFailed:
    """The next start makes another key, and has the guest's first-boot system set it again."""
    paths.host_key.unlink(missing_ok=True)
    paths.host_key_pub.unlink(missing_ok=True)
    return StageFailed(
        f"{_WRONG_KEY}.", stage=Stage.SSHD, hint=f"Give it a new one: callao restart {paths.name}"
    )


async def await_return(
    paths: InstancePaths, driver: Driver, client: Client, reach: Reach, deadline: float
) -> asyncio.subprocess.Process:
    """The same of a guest that goes on, whose sshd listened before: the first login needs no look, which
    would cost a process there. Where an ssh or sshd has not what is quickest, it logs in as to any other.

    :raises StageFailed: when it does not by the deadline, or is not the one that we know.
    """
    left = deadline - time.monotonic()
    with contextlib.suppress(AgentError):
        return await client.open_master(max(1.0, min(left, _FIRST_LOGIN)), _QUICK)
    return await _await_sshd(paths, driver, client, reach, deadline)


async def _watch(
    paths: InstancePaths,
    driver: Driver,
    client: Client,
    reach: Reach,
    master: asyncio.subprocess.Process,
    deadline: float,
    passed: Passed,
    note: Note,
) -> tuple[Watched, asyncio.subprocess.Process]:
    """Follow the boot; a connection that breaks (the guest reboots itself) is opened anew."""
    script = _WATCH.replace("GRACE", str(int(_BOOT_DONE_GRACE / 0.4)))
    told = _Told(passed, note)
    while True:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                status = await client.stream(script, told.line)
        except TimeoutError:
            raise StageFailed(
                f"{told.busy} did not finish in time.",
                stage=told.stage,
                evidence=await evidence.of_boot(client),
                hint="Raise 'timeout' if it was still at work.",
            ) from None
        if told.code:
            return Watched(told.first, tuple(told.errors), told.code, tuple(told.failed)), master
        if status != _LOST and not told.heard:
            raise _no_shell(told.unknown)
        await terminate(master)
        master = await _await_sshd(paths, driver, client, reach, deadline)


_MOST_FAILED = 100
"""Boot scripts that are named, of those that the guest says have failed."""

_MOST_SAID = 500
"""Characters of anything that it says."""

_EACH = 1.0
"""Seconds between two lines of its boot that are passed on."""


@dataclass
class _Told:
    """What :data:`_WATCH` printed so far."""

    passed: Passed
    note: Note
    first: Stage = Stage.SSHD
    finished: bool = False
    heard: bool = False
    """Whether the script ran at all: its first line names a stage."""
    unknown: str = ""
    """The last line that was none of its."""
    errors: list[str] = field(default_factory=list)
    code: str = ""
    failed: list[str] = field(default_factory=list)
    noted: float = 0.0

    def line(self, text: str) -> None:
        kind, _, rest = text.partition(" ")
        self.heard = self.heard or kind in ("cloud-init", "first-boot")
        if not self.heard and text.strip():
            self.unknown = text.strip()[:_MOST_SAID]
        if kind == "log" and rest.strip():
            if time.monotonic() - self.noted >= _EACH:
                self.noted = time.monotonic()
                self.note(self.stage, rest.strip()[:_MOST_SAID])
        elif kind == "cloud-init" and not self.finished:
            self.first = Stage.CLOUD_INIT
        elif kind == "result" and not self.finished:
            self.first = Stage.CLOUD_INIT
            self.errors.extend(_cloud_init_errors(rest))
            self._first_done()
        elif kind == "first-boot" and not self.finished:
            self.first = Stage.FIRST_BOOT
            self._first_done()
        elif kind == "error" and len(self.errors) < _MOST_FAILED:
            self.errors.append(rest[:_MOST_SAID])
        elif kind == "boot":
            key, _, value = rest.partition("=")
            if key == "code":
                self.code = value[:_MOST_SAID]
            elif key == "failed" and len(self.failed) < _MOST_FAILED:
                self.failed.append(value[:_MOST_SAID])

    @property
    def stage(self) -> Stage:
        """The one that the guest is in."""
        return Stage.PROVISION if self.finished else self.first

    @property
    def busy(self) -> str:
        """What the guest is doing."""
        return "the boot scripts" if self.finished else _REPORTERS[self.first]

    def _first_done(self) -> None:
        self.finished = True
        self.passed(self.first)


_REPORTERS = {
    Stage.SSHD: "the first login",
    Stage.CLOUD_INIT: "cloud-init",
    Stage.FIRST_BOOT: "the first boot",
}
"""Who is at work before the boot scripts; the first, until the guest says which of the others it has."""


def _cloud_init_errors(result: str) -> list[str]:
    """The errors in cloud-init's result.json, see its documentation, "Status"."""
    try:
        errors = json.loads(result)["v1"]["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    told = errors if isinstance(errors, list) else [errors]
    return [str(error)[:_MOST_SAID] for error in told[:_MOST_FAILED]]


def _no_shell(said: str) -> StageFailed:
    return StageFailed(
        f"the guest accepts the login and runs no command: the login shell prints {said or 'nothing'!r}.",
        stage=Stage.SSHD,
        hint="Choose another user.name, or a user.shell that runs commands.",
    )


async def _provision_failed(watched: Watched, client: Client) -> StageFailed:
    if watched.code == "missing":
        return StageFailed(
            "cloud-init finished, but the boot scripts never reported.",
            stage=Stage.PROVISION,
            evidence=await evidence.of_boot(client),
            hint="Is this image made for cloud-init's NoCloud?",
        )
    names = ", ".join(watched.failed) or "a boot script"
    return StageFailed(
        f"{names} failed in the guest (status {watched.code}).",
        stage=Stage.PROVISION,
        evidence=await evidence.of_boot(client),
    )
