# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting: the seed is written, the host agent set going, and its events followed to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from callao import cidata
from callao.config import Config, mac_address
from callao.drivers import Driver
from callao.errors import InstanceError
from callao.events import Reporter
from callao.instances import Instance, InstancePaths, TakeUp, ssh_alias
from callao.instances.files import write_file, write_json
from callao.lifecycle.follow import follow_agent
from callao.lifecycle.stop import clear_stale
from callao.snapshots import Bound
from callao.ssh import dot_ssh_public_keys, host_key, known_hosts, user_key


@dataclass(frozen=True)
class Origin:
    """A saved state of another machine: its folder, and what it is bound to."""

    folder: Path
    bound: Bound
    shared_memory: bool
    """Whether virtiofs needs the memory to be this machine's own."""

    def taken_up(self, hostname: str, instance_id: str) -> TakeUp:
        """With the identity of the one that goes on from it."""
        return TakeUp(
            folder=str(self.folder),
            shape=self.bound.shape,
            shared_memory=self.shared_memory,
            hostname=hostname,
            instance_id=instance_id,
        )


def start(
    instance: Instance,
    driver: Driver,
    home: Path,
    timeout: float,
    report: Reporter,
    origin: Origin | None = None,
) -> None:
    """Start a stopped instance and wait until it is ready.

    :param timeout: seconds.
    :param origin: the saved state of another machine to go on from, in place of booting.
    :raises StageFailed: naming the stage, with the lines that explain it; the machine stays up
        where it can be looked into.
    """
    assert instance.config is not None
    clear_stale(instance)
    driver.resize(instance.paths, instance.config)
    seed = _seed(instance, instance.config, home)
    content = cidata.content(seed)
    cidata.write(content, instance.paths.cidata_iso)
    if origin is not None:
        identifier = cidata.instance_id(content)
        write_json(instance.paths.take_up, origin.taken_up(seed.hostname, identifier))
    agent = _spawn(instance.paths, home, timeout)
    follow_agent(instance.paths, agent, timeout, report)


def go_on(instance: Instance, take_up: TakeUp, home: Path, timeout: float, report: Reporter) -> None:
    """Have a stopped instance return to a moment of its own, and wait until it is ready.

    :raises StageFailed: naming the stage.
    """
    clear_stale(instance)
    write_json(instance.paths.take_up, take_up)
    agent = _spawn(instance.paths, home, timeout)
    follow_agent(instance.paths, agent, timeout, report)


def _seed(instance: Instance, config: Config, home: Path) -> cidata.Seed:
    paths = instance.paths
    alias = ssh_alias(paths.name)
    key = host_key(paths.host_key, alias)
    write_file(paths.known_hosts, known_hosts(alias, key.public).encode())
    return cidata.Seed(
        name=paths.name,
        config=config,
        authorized_keys=authorized_keys(config, home),
        host_key=key.private.read_text(encoding="ascii"),
        host_key_pub=key.public,
        mac_address=instance.record.mac_address or mac_address(paths.dir, 0),
        environment=dict(os.environ),
    )


def authorized_keys(config: Config, home: Path) -> tuple[str, ...]:
    """Whom the guest lets in: this home's key, and the user's own where they are wanted."""
    extra = dot_ssh_public_keys(Path.home()) if config.ssh.load_dot_ssh_pub_keys else ()
    return (user_key(home).public, *extra)


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
