# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting the machine: its ports chosen, its folder cleared of what an earlier run left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from callao.config import Config, mac_address
from callao.config.shares import device_mounts
from callao.drivers import SPARE_SLOTS, WARM_SLOTS, Boot, Driver, Forward, Machine, SavedState
from callao.errors import DriverError, PortTaken
from callao.events import Event, EventState, Reporter, Stage
from callao.hostagent.disks import taken
from callao.hostagent.mounts.devices import device_share, refuse_missing
from callao.instances import InstancePaths, MachineLayout, Record, ResumeState
from callao.instances.records import read_json
from callao.ports import any_free, is_free, named_ports, static_forwards, unavailable_reason
from callao.reach import LOOPBACK, Reach

_DEFAULT_PORT = 60022
"""Lima's port for the instance named ``default``."""

_TRIES = 5
"""For a free port that somebody else takes between our look and the hypervisor's bind."""


@dataclass(frozen=True)
class StartedMachine:
    """A machine that runs, or is about to take up its state.

    ``forwards`` are those it keeps, ``deferred`` those that it gets when it is itself: a guest that still
    is another must not be reached.
    """

    machine: Machine
    boot: Boot
    reach: Reach
    forwards: list[Forward]
    deferred: tuple[Forward, ...] = ()


async def start_machine(
    driver: Driver,
    paths: InstancePaths,
    config: Config,
    last_port: int,
    take_up: ResumeState | None,
    report: Reporter,
) -> StartedMachine:
    """Start the hypervisor.

    :param last_port: the ssh port of the start before, 0 when there was none.
    :param take_up: the state that it goes on from.
    :raises DriverError: when ssh.localPort is taken (naming who has it), or the hypervisor refuses.
    :raises DiskError: when an additional disk does not exist, or another machine has it.
    """
    for index, mount in enumerate(config.mounts):
        refuse_missing(mount.location, f"mounts[{index}].location")
    for notice in _notices(config, last_port):
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=notice))
    for _ in range(_TRIES):
        port = _ssh_port(paths, config, last_port)
        bindings, _ = static_forwards(config.port_forwards, port)
        if not driver.features.live_port_forwards:
            bindings = []
        forwards = [Forward(*each) for each in bindings if each[2] != port and is_free(*each[:3])]
        reach = driver.reach(paths, config, port)
        boot = _boot_of(driver, paths, config, reach, tuple(forwards), take_up)
        deferred: tuple[Forward, ...] = ()
        if take_up is not None and take_up.instance_id:
            deferred = (Forward("tcp", reach.address, reach.port, 22), *forwards)
            boot = replace(boot, reach=None, forwards=())
        try:
            return StartedMachine(await driver.start(boot, report), boot, reach, forwards, deferred)
        except PortTaken as error:
            if error.port == port and config.ssh.local_port:
                raise
    raise DriverError(f"no free port for ssh on {LOOPBACK} in {_TRIES} tries.")


def _boot_of(
    driver: Driver,
    paths: InstancePaths,
    config: Config,
    reach: Reach,
    forwards: tuple[Forward, ...],
    take_up: ResumeState | None,
) -> Boot:
    """A boot with every device from the start, or the take-up of a state, which gets its shares later, and
    its disks, where it is the state of another machine.

    :raises DiskError: when a disk is not available.
    """
    record = read_json(paths.callao_json, Record) or Record()
    mac = record.mac_address or mac_address(paths.dir, 0)
    if take_up is not None:
        saved = SavedState(Path(take_up.folder), take_up.shared_memory)
        disks = taken(take_up.disks, paths, driver.layers)
        return Boot(paths, config, reach, forwards, mac, (), disks, take_up.layout, saved)
    shares = tuple(device_share(mount, config.mount_type) for mount in device_mounts(config))
    slots = {each.name: len(shares) + at for at, each in enumerate(config.additional_disks)}
    disks = taken(slots, paths, driver.layers)
    spare = SPARE_SLOTS if record.reclaims else WARM_SLOTS
    shape = MachineLayout(spare + len(shares) + len(disks), record.reclaims)
    return Boot(paths, config, reach, forwards, mac, shares, disks, shape)


def _notices(config: Config, ssh_port: int) -> list[str]:
    """Ports that rules name and that are not available now. They do not prevent the start."""
    bindings, notices = static_forwards(config.port_forwards, ssh_port)
    then = "it is not forwarded in this run" if config.plain else "it is forwarded when it is free"
    for at in {**named_ports(config.port_forwards), **dict.fromkeys(each[:3] for each in bindings)}:
        if why := unavailable_reason(*at):
            notices.append(f"portForwards: {why}; {then}.")
    return notices


def _ssh_port(paths: InstancePaths, config: Config, last_port: int) -> int:
    """The port asked for, or the last one while it is free, so that people's notes stay right."""
    if config.ssh.local_port:
        if why := unavailable_reason("tcp", LOOPBACK, config.ssh.local_port):
            raise PortTaken(
                f"ssh.localPort: {why}.",
                hint="Choose another port, or stop who has it.",
                port=config.ssh.local_port,
            )
        return config.ssh.local_port
    named = {port for _, _, port in named_ports(config.port_forwards)}
    for port in (last_port, _DEFAULT_PORT if paths.name == "default" else 0):
        if port and port not in named and is_free("tcp", LOOPBACK, port):
            return port
    return any_free()
