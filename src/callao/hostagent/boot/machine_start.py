# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the machine: chooses its ports, and collects what the driver needs to start it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from callao.config import Config, mac_address
from callao.config.shares import device_mounts
from callao.drivers import SPARE_SLOTS, WARM_SLOTS, Boot, Driver, Forward, Machine, NicSockets, SavedState
from callao.errors import DriverError, PortTaken
from callao.events import Event, EventState, Reporter, Stage
from callao.hostagent.disks import claim_disks
from callao.hostagent.mounts.devices import device_share, refuse_missing
from callao.instances import InstancePaths, MachineLayout, Record, ResumeState
from callao.instances.records import read_json
from callao.ports import any_free, is_free, named_ports, static_forwards, unavailable_reason
from callao.reach import LOOPBACK, Reach

_DEFAULT_PORT = 60022
"""Lima's port for the instance named ``default``."""

_PORT_ATTEMPTS = 5
"""Another program may bind a free port between the check and the hypervisor's bind."""


@dataclass(frozen=True)
class StartedMachine:
    """A machine that runs, or is paused before it resumes a restored state.

    ``forwards`` are its forwards, ``deferred`` those that are added after it has got its identity: a copy
    must not be reachable while it still has the identity of the saved machine.
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
    resume_state: ResumeState | None,
    report: Reporter,
    nic_sockets: NicSockets | None = None,
) -> StartedMachine:
    """Start the hypervisor.

    :param nic_sockets: where the frames of the first NIC go instead of to the network.
    :param last_port: the ssh port of the previous start, 0 if there was none.
    :param resume_state: the state to restore in place of booting.
    :raises DriverError: when ssh.localPort is in use (naming the program), or the hypervisor fails.
    :raises DiskError: when an additional disk does not exist, or another machine uses it.
    """
    for index, mount in enumerate(config.mounts):
        refuse_missing(mount.location, f"mounts[{index}].location")
    for notice in _notices(config, last_port):
        report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=notice))
    for _ in range(_PORT_ATTEMPTS):
        port = _ssh_port(paths, config, last_port)
        bindings, _ = static_forwards(config.port_forwards, port)
        if not driver.features.live_port_forwards:
            bindings = []
        forwards = [Forward(*each) for each in bindings if each[2] != port and is_free(*each[:3])]
        reach = driver.reach(paths, config, port)
        boot = _make_boot(driver, paths, config, reach, tuple(forwards), resume_state)
        boot = replace(boot, nic_sockets=nic_sockets)
        deferred: tuple[Forward, ...] = ()
        if resume_state is not None and resume_state.instance_id:
            deferred = (Forward("tcp", reach.address, reach.port, 22), *forwards)
            boot = replace(boot, reach=None, forwards=())
        try:
            return StartedMachine(await driver.start(boot, report), boot, reach, forwards, deferred)
        except PortTaken as error:
            if error.port == port and config.ssh.local_port:
                raise
    raise DriverError(f"no free port for ssh on {LOOPBACK} in {_PORT_ATTEMPTS} tries.")


def _make_boot(
    driver: Driver,
    paths: InstancePaths,
    config: Config,
    reach: Reach,
    forwards: tuple[Forward, ...],
    resume_state: ResumeState | None,
) -> Boot:
    """What the driver starts: a boot with all devices, or a restore, to which shares are plugged later, and
    disks, too, if the state is another machine's.

    :raises DiskError: when a disk is not available.
    """
    record = read_json(paths.callao_json, Record) or Record()
    mac = record.mac_address or mac_address(paths.dir, 0)
    if resume_state is not None:
        saved = SavedState(Path(resume_state.folder), resume_state.shared_memory)
        disks = claim_disks(resume_state.disks, paths, driver.layers)
        return Boot(paths, config, reach, forwards, mac, (), disks, resume_state.layout, saved)
    shares = tuple(device_share(mount, config.mount_type) for mount in device_mounts(config))
    slots = {each.name: len(shares) + end for end, each in enumerate(config.additional_disks)}
    disks = claim_disks(slots, paths, driver.layers)
    spare = SPARE_SLOTS if record.reclaims else WARM_SLOTS
    shape = MachineLayout(spare + len(shares) + len(disks), record.reclaims)
    return Boot(paths, config, reach, forwards, mac, shares, disks, shape)


def _notices(config: Config, ssh_port: int) -> list[str]:
    """Notices on ports that rules name and that are not available now. They do not prevent the start."""
    bindings, notices = static_forwards(config.port_forwards, ssh_port)
    then = "it is not forwarded in this run" if config.plain else "it is forwarded when it is free"
    for end in {**named_ports(config.port_forwards), **dict.fromkeys(each[:3] for each in bindings)}:
        if reason := unavailable_reason(*end):
            notices.append(f"portForwards: {reason}; {then}.")
    return notices


def _ssh_port(paths: InstancePaths, config: Config, last_port: int) -> int:
    """The configured port, otherwise the previous one if it is free, so that it rarely changes."""
    if config.ssh.local_port:
        if reason := unavailable_reason("tcp", LOOPBACK, config.ssh.local_port):
            raise PortTaken(
                f"ssh.localPort: {reason}.",
                hint="Choose another port, or stop who has it.",
                port=config.ssh.local_port,
            )
        return config.ssh.local_port
    named_by_rules = {port for _, _, port in named_ports(config.port_forwards)}
    for port in (last_port, _DEFAULT_PORT if paths.name == "default" else 0):
        if port and port not in named_by_rules and is_free("tcp", LOOPBACK, port):
            return port
    return any_free()
