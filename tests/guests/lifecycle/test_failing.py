# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that fail: the stage is named, the evidence shown, and the next run mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.home import Golden, Home, temporary_home

from callao.errors import StageFailed
from callao.instances import Status, inspect

pytestmark = pytest.mark.guest

BROKEN = {"mode": "system", "script": "#!/bin/sh\necho the disk of dreams is missing >&2\nexit 7\n"}


@pytest.fixture(scope="module")
def failing_home(golden: Golden) -> Iterator[Home]:
    with temporary_home(golden) as home:
        yield home


def attempt(home: Home, **extra: Any) -> StageFailed:
    with pytest.raises(StageFailed) as caught:
        home.ensure("bad", extra={**home.direct(), **extra}, timeout=300)
    return caught.value


def test_a_failing_provision_script_is_named_with_its_output(failing_home: Home) -> None:
    error = attempt(failing_home, provision=[BROKEN])
    assert error.stage == "provision"
    assert "the disk of dreams is missing" in error.evidence
    instance = inspect("bad", failing_home.path, failing_home.host)
    assert instance.status is Status.RUNNING
    assert instance.failure is not None


def test_the_next_run_mends_it(failing_home: Home) -> None:
    outcome = failing_home.ensure("bad", extra=failing_home.direct(), timeout=300)
    assert outcome.actions == ("configure", "stop", "start")
    assert inspect("bad", failing_home.path, failing_home.host).ready
