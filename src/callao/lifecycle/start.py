# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting: the seed is written, the host agent set going, and its events followed to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from callao import cidata
from callao.config import Config, mac_address
from callao.drivers import Driver
from callao.errors import InstanceError
from callao.events import Reporter
from callao.instances import Instance, InstancePaths, ssh_alias
from callao.instances.files import write_file
from callao.lifecycle.follow import follow_agent
from callao.lifecycle.stop import clear_stale
from callao.ssh import dot_ssh_public_keys, host_key, known_hosts, user_key


def start(instance: Instance, driver: Driver, home: Path, timeout: float, report: Reporter) -> None:
    """Start a stopped instance and wait until it is ready.

    :param timeout: seconds.
    :raises StageFailed: naming the stage, with the lines that explain it; the machine stays up
        where it can be looked into.
    """
    assert instance.config is not None
    clear_stale(instance)
    driver.resize(instance.paths, instance.config)
    _write_seed(instance.paths, instance.config, home)
    agent = _spawn(instance.paths, home, timeout)
    follow_agent(instance.paths, agent, timeout, report)


def _write_seed(paths: InstancePaths, config: Config, home: Path) -> None:
    alias = ssh_alias(paths.name)
    key = host_key(paths.host_key, alias)
    write_file(paths.known_hosts, known_hosts(alias, key.public).encode())
    extra = dot_ssh_public_keys(Path.home()) if config.ssh.load_dot_ssh_pub_keys else ()
    seed = cidata.Seed(
        name=paths.name,
        config=config,
        authorized_keys=(user_key(home).public, *extra),
        host_key=key.private.read_text(encoding="ascii"),
        host_key_pub=key.public,
        mac_address=mac_address(paths.dir, 0),
        environment=dict(os.environ),
    )
    cidata.write(cidata.content(seed), paths.cidata_iso)


def _spawn(paths: InstancePaths, home: Path, timeout: float) -> subprocess.Popen[bytes]:
    """The host agent in a session of its own: it outlives us, and our terminal."""
    argv = [sys.executable, "-P", "-m", "callao.hostagent", paths.name, "--timeout", str(timeout)]
    try:
        with paths.ha_stdout.open("wb") as stdout, paths.ha_stderr.open("wb") as stderr:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd="/",
                env={**os.environ, "LIMA_HOME": str(home)},
                start_new_session=True,
                close_fds=True,
            )
    except OSError as error:
        raise InstanceError(f"the host agent of {paths.name!r} cannot be started: {error}.") from error
