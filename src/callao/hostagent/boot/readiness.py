# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until the guest has booted, and reports each stage: sshd, first boot, boot scripts."""

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
from callao.hostagent.boot import log_tails, yq_edits
from callao.hostagent.boot.sshd_banner import Answer, wait_for_answer
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh import Client, terminate

OnStage = Callable[[Stage], None]
OnProgress = Callable[[Stage, str], None]

_WRONG_KEY = "the guest's sshd has another host key than the one that this instance was given"

_HOST_KEY_GRACE = 180.0
"""Seconds for which a wrong host key is accepted as that of an earlier run, for example of limactl:
cloud-init, which sets the new one, may start after sshd, and takes minutes in an emulated guest."""

_RESTORED_LOGIN_TIMEOUT = 20.0
"""Seconds for the first login to a restored guest; an emulated one needs half a second."""

_RETRY_DELAY = 0.25
_MAX_RETRY_DELAY = 2.0
"""Seconds between two logins; the delay grows while the guest refuses them."""

_SSH_FAILED = 255
"""ssh's exit status when its connection failed or ended, see ssh(1)."""

_FAST_KEY_EXCHANGE = ("-o", "KexAlgorithms=curve25519-sha256")
"""The key exchange that takes an emulated guest the least CPU. Post-quantum security is not needed, because
the connection does not leave this host."""

_BOOT_DONE_GRACE = 60.0
"""Seconds within which the boot scripts must end after cloud-init has finished."""

_BOOT_WATCH_SCRIPT = """\
log() {
  printf 'log %s\\n' "$(sudo -n tail -n 1 /var/log/cloud-init-output.log 2>/dev/null)"
}
tell() {
  [ ! -e "$2" ] || while IFS= read -r line; do
    printf '%s %s\\n' "$1" "$line"
  done <"$2"
}
if [ -e /run/callao/first-boot ]; then
  echo first-boot
  while sleep 5 >/dev/null 2>&1; do
    log
  done &
  logger=$!
  {
    tail -n +1 -F /run/lima-boot-done 2>/dev/null &
    echo "$!"
    wait
  } | {
    tail=
    code=
    while [ -z "$tail" ] || [ -z "$code" ]; do
      read -r line || break
      case $line in
      *=*) code=$line ;;
      *) tail=$line ;;
      esac
    done
    tell error /run/callao/errors
    tell boot /run/lima-boot-done
    echo end
    kill "$logger" ${tail:+"$tail"}
  }
else
  echo cloud-init
  tick=0
  while [ ! -s /run/cloud-init/result.json ]; do
    sleep 0.4
    tick=$((tick + 1))
    [ "$((tick % 12))" -ne 0 ] || log
  done
  printf 'result %s\\n' "$(tr -d '\\n' </run/cloud-init/result.json)"
  tick=0
  while [ ! -s /run/lima-boot-done ]; do
    sleep 0.4
    tick=$((tick + 1))
    [ "$tick" -lt GRACE ] || { echo 'boot code=missing'; exit 0; }
  done
  tell boot /run/lima-boot-done
  echo end
fi
"""
"""Polls files in the guest, because ``cloud-init status`` starts Python, which takes an emulated guest
seconds. In a golden image tail waits without polling, where each sleep would take a tenth of the CPU, and
nothing is started between the end of the boot and the last line, while the guest is busy with what comes
after it. Its first line may come before that with its process number."""


@dataclass(frozen=True)
class BootResult:
    """What the guest reported of its boot.

    ``first_stage`` is cloud-init's or the first-boot unit's, whichever the guest has.
    """

    first_stage: Stage
    errors: tuple[str, ...]
    exit_code: str
    failed: tuple[str, ...]


async def wait_until_booted(
    paths: InstancePaths,
    driver: Driver,
    config: Config,
    client: Client,
    reach: Reach,
    deadline: float,
    on_stage: OnStage,
    on_progress: OnProgress,
) -> asyncio.subprocess.Process:
    """Wait for sshd, the first boot and the boot scripts; returns the ssh master.

    :param deadline: for all of it, on :func:`time.monotonic`'s clock.
    :raises StageFailed: naming the stage that failed, with the log lines that explain it.
    """
    master = await _log_in(paths, driver, client, reach, deadline)
    on_stage(Stage.SSHD)
    try:
        async with yq_edits.serve_edits(config, client):
            result, master = await _follow_boot(
                paths, driver, client, reach, master, deadline, on_stage, on_progress
            )
        for error in result.errors:
            on_progress(result.first_stage, f"{_REPORTERS[result.first_stage]} reports: {error}")
        if result.exit_code != "0":
            raise await _provision_failed(result, client)
        on_stage(Stage.PROVISION)
    except BaseException:
        await terminate(master)
        raise
    return master


async def _log_in(
    paths: InstancePaths, driver: Driver, client: Client, reach: Reach, deadline: float
) -> asyncio.subprocess.Process:
    """Wait until a login succeeds; returns the ssh master.

    :raises StageFailed: when none does by the deadline, or sshd has another host key.
    """
    last_error = "no answer on the ssh port"
    wrong_since: float | None = None
    answer, delay = None, _RETRY_DELAY
    while (seconds_left := deadline - time.monotonic()) > 0:
        if answer is not Answer.REFUSED:
            answer = await wait_for_answer(reach, paths.serial_log, seconds_left)
        if answer is None:
            break
        seconds_left = deadline - time.monotonic()
        try:
            return await client.open_master(timeout=max(1.0, min(seconds_left, 60.0)))
        except AgentError as error:
            last_error = str(error)
            if (
                "HOST IDENTIFICATION HAS CHANGED" in last_error
                or "host key verification failed" in last_error.lower()
            ):
                wrong_since = wrong_since or time.monotonic()
                if _first_boot_is_done(paths) or time.monotonic() - wrong_since > _HOST_KEY_GRACE:
                    raise _wrong_host_key(paths) from None
                last_error = _WRONG_KEY
            if re.search(r"closed by|refused|reset by", last_error):
                delay = min(1.2 * delay, _MAX_RETRY_DELAY)
            else:
                answer, delay = None, _RETRY_DELAY
            await asyncio.sleep(delay)
    raise StageFailed(
        f"sshd in the guest refused the login: {last_error}.",
        stage=Stage.SSHD,
        evidence=log_tails.machine_logs(driver.evidence(paths)),
        hint="Raise 'timeout' if the guest was still booting.",
    )


def _first_boot_is_done(paths: InstancePaths) -> bool:
    """Whether the console shows cloud-init's message at its end, see its documentation, "final_message"."""
    return re.search(r"Cloud-init v\. \S+ finished at", log_tails.tail(paths.serial_log)) is not None


def _wrong_host_key(paths: InstancePaths) -> StageFailed:
    """Remove the host key: the next start generates another one, and cloud-init sets it in the guest."""
    paths.host_key.unlink(missing_ok=True)
    paths.host_key_pub.unlink(missing_ok=True)
    return StageFailed(
        f"{_WRONG_KEY}.", stage=Stage.SSHD, hint=f"Give it a new one: callao restart {paths.name}"
    )


async def log_in_to_restored(
    paths: InstancePaths, driver: Driver, client: Client, reach: Reach, deadline: float
) -> asyncio.subprocess.Process:
    """Log in to a restored guest; returns the ssh master. Its sshd listens already, so the banner is not
    waited for, which would start one more process there. If the fast login fails, for example because the
    key exchange is not supported, it logs in as after a boot.

    :raises StageFailed: when no login succeeds by the deadline, or sshd has another host key.
    """
    seconds_left = deadline - time.monotonic()
    with contextlib.suppress(AgentError):
        return await client.open_master(
            max(1.0, min(seconds_left, _RESTORED_LOGIN_TIMEOUT)), _FAST_KEY_EXCHANGE
        )
    return await _log_in(paths, driver, client, reach, deadline)


async def _follow_boot(
    paths: InstancePaths,
    driver: Driver,
    client: Client,
    reach: Reach,
    master: asyncio.subprocess.Process,
    deadline: float,
    on_stage: OnStage,
    on_progress: OnProgress,
) -> tuple[BootResult, asyncio.subprocess.Process]:
    """Follow the boot. A broken connection is opened again, because a guest may reboot itself."""
    script = _BOOT_WATCH_SCRIPT.replace("GRACE", str(int(_BOOT_DONE_GRACE / 0.4)))
    output = _BootOutput(on_stage, on_progress)
    while True:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                status = await client.stream(script, output.line)
        except TimeoutError:
            raise StageFailed(
                f"{output.activity} did not finish in time.",
                stage=output.stage,
                evidence=await log_tails.boot_log(client),
                hint="Raise 'timeout' if it was still at work.",
            ) from None
        if output.exit_code:
            return BootResult(
                output.first_stage, tuple(output.errors), output.exit_code, tuple(output.failed)
            ), master
        if status != _SSH_FAILED and not output.script_started:
            raise _no_shell(output.unknown_line)
        await terminate(master)
        master = await _log_in(paths, driver, client, reach, deadline)


_MAX_ERRORS = 100
"""Largest number of failed boot scripts, and of errors, that are recorded."""

_MAX_TEXT = 500
"""Largest number of characters of each text from the guest."""

_PROGRESS_INTERVAL = 1.0
"""Seconds between two lines of the boot's log that are reported as progress."""


@dataclass
class _BootOutput:
    """What :data:`_BOOT_WATCH_SCRIPT` has printed so far."""

    on_stage: OnStage
    on_progress: OnProgress
    first_stage: Stage = Stage.SSHD
    first_stage_done: bool = False
    script_started: bool = False
    """Whether the script runs: its first line names a stage."""
    unknown_line: str = ""
    """The last line that is not the script's, such as a login shell's message."""
    errors: list[str] = field(default_factory=list)
    exit_code: str = ""
    failed: list[str] = field(default_factory=list)
    last_progress: float = 0.0

    def line(self, text: str) -> bool:
        """Note a line; returns whether it is the last."""
        kind, _, rest = text.partition(" ")
        self.script_started = self.script_started or kind in ("cloud-init", "first-boot")
        if not self.script_started and text.strip():
            self.unknown_line = text.strip()[:_MAX_TEXT]
        if kind == "log" and rest.strip():
            if time.monotonic() - self.last_progress >= _PROGRESS_INTERVAL:
                self.last_progress = time.monotonic()
                self.on_progress(self.stage, rest.strip()[:_MAX_TEXT])
        elif kind == "cloud-init" and not self.first_stage_done:
            self.first_stage = Stage.CLOUD_INIT
        elif kind == "result" and not self.first_stage_done:
            self.first_stage = Stage.CLOUD_INIT
            self.errors.extend(_cloud_init_errors(rest))
            self._finish_first_stage()
        elif kind == "first-boot" and not self.first_stage_done:
            self.first_stage = Stage.FIRST_BOOT
            self._finish_first_stage()
        elif kind == "error" and len(self.errors) < _MAX_ERRORS:
            self.errors.append(rest[:_MAX_TEXT])
        elif kind == "boot":
            key, _, value = rest.partition("=")
            if key == "code":
                self.exit_code = value[:_MAX_TEXT]
            elif key == "failed" and len(self.failed) < _MAX_ERRORS:
                self.failed.append(value[:_MAX_TEXT])
        return kind == "end" and bool(self.exit_code)

    @property
    def stage(self) -> Stage:
        """The stage that the guest is in."""
        return Stage.PROVISION if self.first_stage_done else self.first_stage

    @property
    def activity(self) -> str:
        """What runs in the guest now, for messages."""
        return "the boot scripts" if self.first_stage_done else _REPORTERS[self.first_stage]

    def _finish_first_stage(self) -> None:
        self.first_stage_done = True
        self.on_stage(self.first_stage)


_REPORTERS = {
    Stage.SSHD: "the first login",
    Stage.CLOUD_INIT: "cloud-init",
    Stage.FIRST_BOOT: "the first boot",
}
"""What runs before the boot scripts, for messages; SSHD until the guest reports which of the others it
has."""


def _cloud_init_errors(result: str) -> list[str]:
    """The errors in cloud-init's result.json, see its documentation, "Status"."""
    try:
        errors = json.loads(result)["v1"]["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    entries = errors if isinstance(errors, list) else [errors]
    return [str(entry)[:_MAX_TEXT] for entry in entries[:_MAX_ERRORS]]


def _no_shell(printed: str) -> StageFailed:
    return StageFailed(
        f"the guest accepts the login and runs no command: the login shell prints {printed or 'nothing'!r}.",
        stage=Stage.SSHD,
        hint="Choose another user.name, or a user.shell that runs commands.",
    )


async def _provision_failed(result: BootResult, client: Client) -> StageFailed:
    if result.exit_code == "missing":
        return StageFailed(
            "cloud-init finished, but the boot scripts never reported.",
            stage=Stage.PROVISION,
            evidence=await log_tails.boot_log(client),
            hint="Is this image made for cloud-init's NoCloud?",
        )
    names = ", ".join(result.failed) or "a boot script"
    return StageFailed(
        f"{names} failed in the guest (status {result.exit_code}).",
        stage=Stage.PROVISION,
        evidence=await log_tails.boot_log(client),
    )
