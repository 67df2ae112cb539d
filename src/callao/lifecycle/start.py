# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts an instance: writes the seed, starts the host agent, and waits until it is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from callao import cidata
from callao.atomic import write_file, write_volatile
from callao.config import Config, mac_address
from callao.config.containerd import wants_containerd
from callao.drivers import Driver
from callao.errors import InstanceError
from callao.events import Reporter
from callao.host import home_folder
from callao.instances import Instance, InstancePaths, ResumeState, ssh_alias
from callao.instances.records import write_json
from callao.lifecycle.backing_files import repair_backing_files
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.containerd_archive import fetch_archive
from callao.lifecycle.wait_ready import wait_for_agent
from callao.offline import NetworkAccess
from callao.ssh import dot_ssh_public_keys, host_key, known_hosts, user_key


def start(
    instance: Instance,
    driver: Driver,
    home: Path,
    timeout: float,
    report: Reporter,
    resume_state: ResumeState | None = None,
    parent_pipe: int | None = None,
    access: NetworkAccess = NetworkAccess.ONLINE,
) -> None:
    """Start a stopped instance and wait until it is ready.

    :param timeout: seconds.
    :param access: whether containerd's archive may be downloaded.
    :param resume_state: the saved state of another machine to resume from, in place of booting; the
        instance gets its own identity.
    :param parent_pipe: see :mod:`callao.lifecycle.parent_pipe`; with it, the machine ends with this process.
    :raises StageFailed: naming the stage, with the log lines that explain it; the machine is left
        running where it can be inspected.
    """
    assert instance.config is not None
    remove_stale_files(instance.paths)
    repair_backing_files(instance.paths, instance.record, driver, home)
    driver.resize(instance.paths, instance.config)
    seed = _seed(instance, instance.config, home, driver)
    content = cidata.seed_files(seed)
    files = {}
    if wants_containerd(instance.config) and resume_state is None:
        files[cidata.CONTAINERD_ARCHIVE] = fetch_archive(
            instance.config, home=home, access=access, report=report
        )
    if driver.features.seed_folder:
        cidata.write_folder(content, instance.paths.cidata_folder, files)
    else:
        cidata.write_iso(content, instance.paths.cidata_iso, files)
    if resume_state is not None:
        identifier = cidata.instance_id(content)
        own_state = msgspec.structs.replace(resume_state, hostname=seed.hostname, instance_id=identifier)
        write_json(instance.paths.resume_file, own_state)
    _run_agent(instance.paths, home, timeout, report, parent_pipe)


def resume(
    paths: InstancePaths, resume_state: ResumeState, home: Path, timeout: float, report: Reporter
) -> None:
    """Start a stopped instance from the memory of its own snapshot, and wait until it is ready.

    :raises StageFailed: naming the stage.
    """
    remove_stale_files(paths)
    write_json(paths.resume_file, resume_state)
    _run_agent(paths, home, timeout, report, None)


def _seed(instance: Instance, config: Config, home: Path, driver: Driver) -> cidata.Seed:
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
        network=driver.network(config),
        guest_port=driver.features.guest_port,
    )


def authorized_keys(config: Config, home: Path) -> tuple[str, ...]:
    """The public keys that may log in: that of this LIMA_HOME, and the user's own where configured."""
    extra = dot_ssh_public_keys(home_folder()) if config.ssh.load_dot_ssh_pub_keys else ()
    return (user_key(home).public, *extra)


def _run_agent(
    paths: InstancePaths, home: Path, timeout: float, report: Reporter, parent_pipe: int | None
) -> None:
    """Start the host agent and wait until the instance is ready."""
    agent = _spawn_agent(paths, home, timeout, parent_pipe)
    wait_for_agent(paths, agent, timeout, report)


def _spawn_agent(
    paths: InstancePaths, home: Path, timeout: float, parent_pipe: int | None
) -> subprocess.Popen[bytes]:
    """Start the host agent in a new session, so that it outlives this process, unless it has a pipe."""
    argv = [sys.executable, "-P", "-m", "callao.hostagent", paths.name, "--timeout", str(timeout)]
    if parent_pipe is not None:
        argv.append("--lifeline")
    try:
        for log in (paths.ha_stdout, paths.ha_stderr):
            log.unlink(missing_ok=True)
        with paths.ha_stdout.open("ab") as stdout, paths.ha_stderr.open("ab") as stderr:
            agent = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if parent_pipe is None else parent_pipe,
                stdout=stdout,
                stderr=stderr,
                cwd="/",
                env={**os.environ, "LIMA_HOME": str(home)},
                start_new_session=True,
                close_fds=True,
            )
        # The agent writes it, too, once it has loaded. A run that is interrupted earlier must find it.
        write_volatile(paths.ha_pid, f"{agent.pid}\n".encode())
    except OSError as error:
        raise InstanceError(f"the host agent of {paths.name!r} cannot be started: {error}.") from error
    return agent
