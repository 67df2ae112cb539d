# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting the machine: its ports chosen, its folder cleared of what an earlier run left."""

from __future__ import annotations

from callao.config import Config, mac_address
from callao.config.shares import device_mounts
from callao.drivers import Boot, Driver, Forward, Machine
from callao.errors import DriverError, PortTaken
from callao.events import Event, Reporter, Stage, State
from callao.hostagent.devices import device_share, refuse_missing
from callao.instances import InstancePaths
from callao.ports import any_free, holder, is_free, static_forwards

_DEFAULT_PORT = 60022
"""Lima's port for the instance named ``default``."""

_TRIES = 5
"""For a free port that somebody else takes between our look and the hypervisor's bind."""


async def start_machine(
    driver: Driver, paths: InstancePaths, config: Config, last_port: int, report: Reporter
) -> tuple[Machine, int, list[Forward]]:
    """Start the hypervisor; returns the machine, its ssh port, and the forwards it keeps.

    :param last_port: the ssh port of the start before, 0 when there was none.
    :raises DriverError: when a port is taken (naming who has it), or the hypervisor refuses.
    """
    bindings, notices = static_forwards(config)
    for notice in notices:
        report(Event(stage=Stage.DRIVER, state=State.NOTICE, message=notice))
    forwards = [Forward(*binding) for binding in bindings]
    for forward in forwards:
        _refuse_taken(forward)
    shares = tuple(device_share(mount, config.mount_type) for mount in device_mounts(config))
    for index, mount in enumerate(config.mounts):
        refuse_missing(mount.location, f"mounts[{index}].location")
    for _ in range(_TRIES):
        port = _ssh_port(paths, config, last_port)
        boot = Boot(paths, config, port, tuple(forwards), mac_address(paths.dir, 0), shares)
        try:
            return await driver.start(boot, report), port, forwards
        except PortTaken as error:
            if error.port != port or config.ssh.local_port:
                raise
    raise DriverError(f"no free port for ssh on 127.0.0.1 in {_TRIES} tries.")


def _ssh_port(paths: InstancePaths, config: Config, last_port: int) -> int:
    """The port asked for, or the last one while it is free, so that people's notes stay right."""
    if config.ssh.local_port:
        _refuse_taken(Forward("tcp", "127.0.0.1", config.ssh.local_port, 22), option="ssh.localPort")
        return config.ssh.local_port
    for port in (last_port, _DEFAULT_PORT if paths.name == "default" else 0):
        if port and is_free("tcp", "127.0.0.1", port):
            return port
    return any_free()


def _refuse_taken(forward: Forward, option: str = "portForwards") -> None:
    if is_free(forward.proto, forward.host_ip, forward.host_port):
        return
    who = holder(forward.proto, forward.host_port)
    raise PortTaken(
        f"{option}: {forward.proto} port {forward.host_port} on {forward.host_ip} is taken"
        f"{f' by {who}' if who else ', or not ours to bind'}.",
        hint="Choose another host port, or stop who has it.",
        port=forward.host_port,
    )
