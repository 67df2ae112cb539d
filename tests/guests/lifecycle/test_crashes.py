# SPDX-License-Identifier: GPL-3.0-or-later
"""``kill -9`` at random moments of a start; one kill of each process is in ``snapshots/test_warm.py``."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest
from support.crashes import begun, leftovers, settled, victims
from support.home import Home

from callao.instances import Status, inspect

pytestmark = pytest.mark.guest

NAME = "victim"
ROUNDS = 10
LATEST = 12.0
"""Seconds into a run at which the last blow may fall: the guest is deep in its boot by then."""
OUTCOME = 600
"""Seconds for a run that was hit before it looked: it starts what the blow has ended, to the end."""


@pytest.mark.long
def test_ten_blows_and_the_next_run_still_makes_it_ready(home: Home) -> None:
    seed = int(os.environ.get("CALLAO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    template = home.template()
    for number in range(ROUNDS):
        with begun(home, NAME, template) as run:
            time.sleep(chance.uniform(0.05, LATEST))
            targets = {**victims(home, NAME), "run": None}
            who = chance.choice(sorted(targets))
            if who == "run":
                run.kill()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(targets[who].pid, signal.SIGKILL)
            run.communicate(timeout=OUTCOME)
        settled(home, NAME)
        if (home.path / NAME).exists():
            instance = inspect(NAME, home.path, home.host)
            assert instance.status is not Status.BROKEN, (seed, number, who, instance.errors)
    outcome = home.ensure(NAME, template=template, timeout=600)
    assert outcome.instance is not None
    assert outcome.instance["ready"], seed
    assert leftovers(home.path, NAME) == [], seed
