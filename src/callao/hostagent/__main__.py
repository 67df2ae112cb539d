# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.hostagent NAME``: the host agent of one instance, in the foreground.

Its standard output is ha.stdout.log, its standard error ha.stderr.log; the process that starts it opens
them.
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
from callao.hostagent.instance_folder import InstanceFolder
from callao.instances import InstancePaths, ResumeState, Runtime
from callao.instances.records import read_json

_MAX_DESCRIPTORS = 4096
"""Twice the sum of the limits of streams, forwards and requests to the resolver."""


def main() -> int:
    """Run the host agent; returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="callao.hostagent")
    parser.add_argument("name")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds to become ready in")
    parser.add_argument(
        "--lifeline", action="store_true", help="end when standard input, a pipe, is closed by who has it"
    )
    arguments = parser.parse_args()
    atexit.register(
        gc.freeze
    )  # otherwise Python collects garbage among all loaded objects at its end, while a stop waits for it
    system.ignore_hangup()
    os.umask(0o077)
    system.allow_descriptors(_MAX_DESCRIPTORS)
    paths = InstancePaths(lima_home() / arguments.name)
    host = Host.detect()

    def read_config() -> Config:
        text = paths.lima_yaml.read_text(encoding="utf-8")
        document = load(text, str(paths.lima_yaml))
        source = str(paths.lima_yaml)
        return effective(document, host, name=paths.name, instance_dir=paths.dir, source=source, text=text)

    last_run = read_json(paths.runtime, Runtime)
    try:
        config = read_config()
        folder = InstanceFolder(paths.dir)
        assignment = Assignment(
            paths=paths,
            folder=folder,
            config=config,
            driver=driver_for(config.vm_type),
            timeout=arguments.timeout,
            last_port=last_run.ssh_port if last_run else 0,
            reload=read_config,
            resume_state=_consume_resume_state(paths),
        )
        agent = Agent(assignment, sys.stdin.fileno() if arguments.lifeline else None)
    except Exception as error:  # the process that started this one waits for an event
        failure = error if isinstance(error, CallaoError) else unexpected.as_agent_error(error)
        journal.write(Event(stage=Stage.DRIVER, state=EventState.FAILED, message=str(failure)))
        journal.write(exiting=True, errors=[str(failure)])
        paths.ha_pid.unlink(missing_ok=True)
        return 1
    write_volatile(paths.ha_pid, f"{os.getpid()}\n".encode())
    try:
        return asyncio.run(agent.run())
    except asyncio.CancelledError:
        journal.write(exiting=True, errors=["stopped before the machine ran"])
        return 1
    finally:
        folder.remove_files([paths.ha_pid])


def _consume_resume_state(paths: InstancePaths) -> ResumeState | None:
    """The state to restore in place of booting. The file is removed, so that a failed restore is not
    repeated: the next start boots.
    """
    state = read_json(paths.resume_file, ResumeState)
    paths.resume_file.unlink(missing_ok=True)
    return state


if __name__ == "__main__":
    sys.exit(main())
