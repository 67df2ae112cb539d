# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the engine wherever Python starts: writes down what it is asked for, and starts nothing."""

from __future__ import annotations

import json
from pathlib import Path

import callao.lifecycle
from callao.errors import InstanceError
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.lifecycle import Outcome, Request


def ensure(request: Request, *, home: Path, host: Host, check: bool, report: Reporter) -> Outcome:
    report(Event(stage=Stage.DISK, state=EventState.DONE))
    folder = home / request.name
    folder.mkdir(parents=True)
    given = {"config": request.config, "labels": request.labels, "timeout": request.timeout}
    (folder / "given.json").write_text(json.dumps(given))
    if request.timeout == 1:
        raise InstanceError("it did not start in time.")
    ssh = {
        "address": "127.0.0.1",
        "port": 60022,
        "user": "ana",
        "identity_file": str(home / "_config" / "user"),
        "host_key_alias": f"lima-{request.name}",
        "config_file": str(folder / "ssh.config"),
    }
    return Outcome(changed=True, instance={"name": request.name, "dir": str(folder), "ssh": ssh})


callao.lifecycle.ensure = ensure
