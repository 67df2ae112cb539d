# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes, run as the host agent runs them, in a real guest."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from callao.config.schema import Probe
from callao.errors import StageFailed
from callao.hostagent.boot.probes import check_probe
from callao.instances import ssh_alias
from callao.ssh import Client

pytestmark = pytest.mark.guest


def check(guest: Any, script: str, seconds: float) -> None:
    client = Client(guest.paths.ssh_config, ssh_alias(guest.name), guest.paths.ssh_sock)
    probe = Probe(description="dreams", script=script, hint="Sleep first.")
    asyncio.run(check_probe(0, probe, client, time.monotonic() + seconds, {"WHAT": "it's a dream"}))


def test_a_failing_probe_carries_its_hint_and_its_stderr(guest: Any) -> None:
    with pytest.raises(StageFailed) as caught:
        check(guest, "#!/bin/sh\necho no dreams here >&2\nexit 3\n", 15)
    assert caught.value.stage == "probes"
    assert "'dreams'" in str(caught.value)
    assert "status 3" in str(caught.value)
    assert "Sleep first." in str(caught.value)
    assert caught.value.evidence == "no dreams here"


def test_a_probe_is_tried_until_it_passes(guest: Any) -> None:
    check(guest, "#!/bin/sh\n[ -e /tmp/dream ] && exit 0\ntouch /tmp/dream\nexit 1\n", 180)


def test_a_probe_runs_under_the_interpreter_it_names(guest: Any) -> None:
    check(guest, "#!/usr/bin/python3 -u\nimport sys\nsys.exit(0 if sys.version_info[0] == 3 else 1)\n", 180)


def test_a_probe_has_the_parameters(guest: Any) -> None:
    check(guest, '#!/bin/sh\n[ "$PARAM_WHAT" = "it\'s a dream" ]\n', 60)


def test_a_probe_that_hangs_is_cut_off(guest: Any) -> None:
    with pytest.raises(StageFailed, match="dreams"):
        check(guest, "#!/bin/sh\nsleep 60\n", 3)
