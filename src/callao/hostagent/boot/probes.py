# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs readiness probes, the user's scripts, in the guest until they pass."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping

from callao.config.schema import Probe
from callao.errors import StageFailed
from callao.events import Stage
from callao.ssh import Client, CommandResult

_INTERVAL = 1.0
"""Seconds between two attempts."""

_ATTEMPT_TIMEOUT = 120.0
"""Seconds that one attempt may take."""


async def check_probe(
    index: int, probe: Probe, client: Client, deadline: float, param: Mapping[str, str]
) -> None:
    """Run one probe until it passes.

    :param param: the configuration's, which the script gets as ``PARAM_*``.
    :param deadline: on :func:`time.monotonic`'s clock.
    :raises StageFailed: with the probe's hint and its last stderr.
    """
    name = probe.description or f"probes[{index}]"
    script = probe.script or ""
    interpreter = script.partition("\n")[0].removeprefix("#!").strip()
    if param:
        values = (shlex.quote(f"PARAM_{name}={value}") for name, value in param.items())
        interpreter = " ".join(("env", *values, interpreter))
    last: CommandResult | None = None
    while (seconds_left := deadline - time.monotonic()) > 0:
        try:
            last = await client.run(
                script, timeout=min(seconds_left, _ATTEMPT_TIMEOUT), interpreter=interpreter
            )
        except TimeoutError:
            # The attempt before the one that the deadline ends has the more useful output.
            last = last or CommandResult(
                status=255, stdout="", stderr=f"no answer within {seconds_left:.0f} s"
            )
        if last.status == 0:
            return
        await asyncio.sleep(_INTERVAL)
    last = last or CommandResult(status=255, stdout="", stderr="there was no time left to run it")
    output = (last.stderr.strip() or last.stdout.strip() or "it said nothing")[-2000:]
    raise StageFailed(
        f"the probe {name!r} did not pass in time (status {last.status}).",
        stage=Stage.PROBES,
        evidence=output,
        hint=probe.hint.strip(),
    )
