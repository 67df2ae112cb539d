# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.hostagent NAME``: the host agent of one instance, in the foreground.

Its standard output is ha.stdout.log, its standard error ha.stderr.log; the caller opens them.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import gc
import os
import sys

from callao import system
from callao.atomic import write_volatile
from callao.config import Config, effective, load
from callao.drivers import driver_for
from callao.errors import CallaoError
from callao.events import Event, EventState, Stage
from callao.host import Host, lima_home
from callao.hostagent import journal, unexpected
from callao.hostagent.agent import Agent
from callao.hostagent.assignment import Assignment
from callao.hostagent.folder import Folder
from callao.instances import InstancePaths, ResumeState, Runtime
from callao.instances.records import read_json

_DESCRIPTORS = 4096
"""Twice what the limits of streams, forwards and questions to the resolver come to."""


def main() -> int:
    """Returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="callao.hostagent")
    parser.add_argument("name")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds to become ready in")
    parser.add_argument(
        "--lifeline", action="store_true", help="end when standard input, a pipe, is closed by who has it"
    )
    arguments = parser.parse_args()
    atexit.register(
        gc.freeze
    )  # else Python searches all that is loaded for cycles while a stop waits for its end
    system.ignore_hangup()
    os.umask(0o077)
    system.allow_descriptors(_DESCRIPTORS)
    paths = InstancePaths(lima_home() / arguments.name)
    host = Host.detect()

    def read() -> Config:
        text = paths.lima_yaml.read_text(encoding="utf-8")
        document = load(text, str(paths.lima_yaml))
        source = str(paths.lima_yaml)
        return effective(document, host, name=paths.name, instance_dir=paths.dir, source=source, text=text)

    previous = read_json(paths.runtime, Runtime)
    try:
        config = read()
        folder = Folder(paths.dir)
        assignment = Assignment(
            paths=paths,
            folder=folder,
            config=config,
            driver=driver_for(config.vm_type),
            timeout=arguments.timeout,
            last_port=previous.ssh_port if previous else 0,
            reload=read,
            take_up=_taken(paths),
        )
        agent = Agent(assignment, sys.stdin.fileno() if arguments.lifeline else None)
    except Exception as error:  # whoever started us waits for a word
        told = error if isinstance(error, CallaoError) else unexpected.failure(error)
        journal.write(Event(stage=Stage.DRIVER, state=EventState.FAILED, message=str(told)))
        journal.write(exiting=True, errors=[str(told)])
        paths.ha_pid.unlink(missing_ok=True)
        return 1
    write_volatile(paths.ha_pid, f"{os.getpid()}\n".encode())
    try:
        return asyncio.run(agent.run())
    except asyncio.CancelledError:
        journal.write(exiting=True, errors=["stopped before the machine ran"])
        return 1
    finally:
        folder.remove([paths.ha_pid])


def _taken(paths: InstancePaths) -> ResumeState | None:
    """What the start is to go on from. Once: whatever comes of it, the next start boots."""
    found = read_json(paths.resume_file, ResumeState)
    paths.resume_file.unlink(missing_ok=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
