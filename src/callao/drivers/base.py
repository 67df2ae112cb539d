# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver promises. Callers ask :class:`Features`; nobody asks for a driver's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, runtime_checkable

from callao.config import Arch, Config, MountType, VMType
from callao.disks.layers import LayerStore
from callao.errors import Problem
from callao.events import Reporter
from callao.guest_network import GuestNetwork
from callao.host import Host
from callao.instances import InstancePaths, MachineLayout
from callao.reach import Reach

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from callao.images import FetchedImage  # a download has no part in running a machine

    Channel: TypeAlias = tuple[StreamReader, StreamWriter]
    OpenChannel: TypeAlias = Callable[[], Awaitable[Channel]]

SPARE_SLOTS = 8
"""Directories that a running machine can be given as devices, beyond those from the start."""

WARM_SLOTS = 2 * SPARE_SLOTS
"""The same of a machine that copies are made of: they get those of their configuration later, too."""


@dataclass(frozen=True)
class Features:
    """What a driver can do.

    ``honoured`` lists the top-level fields of lima.yaml that the driver acts on; one that is set
    and not honoured is a validation problem or a warning, never silence.
    """

    vm_type: VMType
    arches: frozenset[Arch]
    mount_types: frozenset[MountType]
    honoured: frozenset[str]
    hot_mount_types: frozenset[MountType] = frozenset()
    """Types of device that a running machine can be given."""
    live_port_forwards: bool = False
    """Whether the hypervisor forwards ports itself, also while it runs: :class:`LiveForwarder`."""
    legacy_bios: bool = False
    hot_disks: bool = False
    """Whether a running machine can be given disks, and lose them: :class:`DiskHotPlugger`."""
    hot_nics: bool = False
    """Whether a running machine can be given network interfaces, and lose them: :class:`NicHotPlugger`."""
    boot_nics: bool = False
    """Whether a machine has the interfaces of its configuration from its start, and takes no others later:
    :class:`NicHotPlugger`, of which it only connects these to their networks."""
    guest_port: int = 0
    """The port of vsock(7) at which the guest's program listens; 0 where it has a virtio-serial port."""
    ssh_over_vsock: bool = False
    """Whether ``ssh.overVsock`` can be had on this host."""
    saved_states: bool = False
    """Whether a running machine can be saved and taken up again: :class:`StateSaver`."""


@dataclass(frozen=True)
class Forward:
    """One forward that the hypervisor itself keeps: host address and port to a guest port."""

    proto: str
    """``tcp`` or ``udp``."""
    host_ip: str
    host_port: int
    guest_port: int


@dataclass(frozen=True)
class DeviceShare:
    """A directory of the host that the hypervisor shares as a device with a mount tag.

    One that is not ``writable`` is read-only on the host's side, whatever the guest's root does.
    """

    tag: str
    type: MountType
    location: str
    writable: bool = False
    security_model: str = "none"
    """9p only: whose files the guest's are on the host, see qemu(1), ``-fsdev``."""
    queue_size: int | None = None
    """virtiofs only: requests that the device holds."""


@dataclass(frozen=True)
class DataDisk:
    """An additional disk, which the guest finds by its serial number.

    ``image`` is its name on the host, ``format`` qcow2 or raw, ``slot`` the machine's port for it:
    the driver chooses one for a disk that comes later.
    """

    name: str
    image: Path
    format: str
    serial: str
    slot: int = -1


@dataclass(frozen=True)
class GuestNic:
    """A network interface, by the guest's name for it."""

    interface: str
    mac_address: str


@dataclass(frozen=True)
class Left:
    """What the disks of a machine were left as: names of layers, see :mod:`callao.disks.layers`."""

    layer: str
    """Of the instance's own disk."""
    disks: Mapping[str, str] = field(default_factory=dict)
    """Of the additional ones, by their names."""


_USUAL = MachineLayout(SPARE_SLOTS)


@dataclass(frozen=True)
class SavedState:
    """A state to take up: the folder that :meth:`StateSaver.save` filled."""

    folder: Path
    shared_memory: bool = True
    """Whether the memory shall be the machine's own copy, as virtiofs needs it; else it is mapped from the
    folder as far as that can be, which must stay then."""


@dataclass(frozen=True)
class Boot:
    """What one start needs beyond the configuration."""

    paths: InstancePaths
    config: Config
    reach: Reach | None
    """The driver's own answer, :meth:`Driver.reach`; None while nobody is to reach the guest's sshd."""
    forwards: tuple[Forward, ...] = ()
    mac_address: str = ""
    """Of the first, user-mode NIC; stable over the life of the instance."""
    shares: tuple[DeviceShare, ...] = ()
    disks: tuple[DataDisk, ...] = ()
    """Each with its slot."""
    shape: MachineLayout = _USUAL
    saved: SavedState | None = None
    """What to take up in place of booting; the machine is paused then until it is told to go on."""


class Machine(Protocol):
    """A running virtual machine, owned by the process that started it."""

    @property
    def pid(self) -> int:
        """Of the hypervisor's process, which ``InstancePaths.driver_pid`` names from its start to its end:
        stopping, deleting and the checks for use find it there, and load no driver."""

    async def wait(self) -> int:
        """Until the machine is off; returns the hypervisor's exit status."""

    async def power_button(self) -> None:
        """Ask the guest to shut down (ACPI); returns at once.

        :raises DriverError: when the hypervisor cannot be asked.
        """

    async def quit(self) -> None:
        """Tell the hypervisor to end now, flushing its disks; returns at once."""

    async def kill(self) -> None:
        """End the process, whatever it does; returns when it is gone."""

    async def channel(self) -> Channel:
        """A new connection to the program in the guest, which hears one at a time.

        :raises OSError: when there is none to be had.
        """


@runtime_checkable
class LiveForwarder(Protocol):
    """A machine that forwards ports of the host itself, other ones as it runs; only where
    ``Features.live_port_forwards``."""

    async def add_forward(self, forward: Forward) -> None:
        """:raises PortTaken: when the host's port is taken."""

    async def remove_forward(self, forward: Forward) -> None:
        """Nothing happens when there is none.

        :raises DriverError: when it stays.
        """


@runtime_checkable
class StateSaver(Protocol):
    """A machine whose memory and devices can be written to files; only where ``Features.saved_states``."""

    async def save(self, folder: Path) -> Left:
        """Pause, leave all disks behind or none (the machine goes on in files on top of them), and write
        memory and devices into ``folder``. The machine stays paused.

        :raises DriverError: when it cannot be saved; it may be resumed then.
        """

    async def resume(self) -> None:
        """Go on, after a save or the take-up of a state."""


@runtime_checkable
class SpacePauser(Protocol):
    """A machine that is paused when the host has no space for what its guest writes."""

    async def out_of_space(self) -> None:
        """Until that happens; then at once, while there are pauses that were not asked after."""

    async def resume(self) -> None:
        """Try that write again, and go on; where there still is no space, the machine is paused anew."""


@runtime_checkable
class ShareHotPlugger(Protocol):
    """A machine that takes shares while it runs; only where ``Features.hot_mount_types``."""

    async def plug_share(self, share: DeviceShare) -> None:
        """Give the guest a device with ``share.tag``; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def unplug_share(self, tag: str) -> None:
        """Take the device away; the guest must not have it mounted any more.

        :raises DriverError: when the guest keeps it; the slot stays taken.
        """


@runtime_checkable
class DiskHotPlugger(Protocol):
    """A machine that takes disks while it runs; only where ``Features.hot_disks``."""

    async def plug_disk(self, disk: DataDisk) -> None:
        """Give the guest the disk; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def unplug_disk(self, name: str) -> None:
        """Take the disk away; the guest must not use it any more.

        :raises DriverError: when the guest keeps it; it stays attached then.
        """

    def data_disks(self) -> tuple[DataDisk, ...]:
        """Those that the machine has now, each with its slot."""


@runtime_checkable
class NicHotPlugger(Protocol):
    """A machine that takes network interfaces while it runs; only where ``Features.hot_nics``
    or ``Features.boot_nics``.

    Each is at a descriptor of a socket with its frames: a stream, where each comes after its length in 32
    bits, or one of datagrams, each a frame. The machine takes a duplicate of the descriptor.
    """

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        """Give the guest the interface; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def relink_nic(self, interface: str, stream: int) -> None:
        """Have the interface send and receive by another socket; the guest does not notice.

        :raises DriverError: when the hypervisor refuses.
        """

    async def unplug_nic(self, interface: str) -> None:
        """Take the interface away.

        :raises DriverError: when the guest keeps it; it stays attached then.
        """


@dataclass(frozen=True)
class Log:
    """A file that explains a failure; ``name`` is what people call who wrote it."""

    name: str
    path: Path


class Driver(Protocol):
    """One way to run virtual machines. Stateless: an instance's folder holds the state."""

    features: ClassVar[Features]
    layers: ClassVar[LayerStore]
    """Of an instance's own disk, and of the additional ones that can have layers."""

    def validate(self, config: Config, host: Host) -> list[Problem]:
        """What of ``config`` this driver cannot do; pure, touches nothing."""

    def network(self, config: Config) -> GuestNetwork:
        """Of the first NIC of a machine of ``config``; pure."""

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        """How ssh gets to the guest's sshd; pure.

        :param port: a free port of the host's loopback, which the machine may have lead there.
        """

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        """What explains why a machine failed, the hypervisor's own first."""

    def missing(self, config: Config) -> list[str]:
        """What the host lacks to run ``config`` (programs, firmware), a sentence each with its remedy."""

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        """Make the instance's disks in ``paths.dir``; what exists stays as it is.

        :raises ConfigError: for a disk that is smaller than its image.
        :raises DriverError: when a disk cannot be made.
        """

    def carried(self, paths: InstancePaths) -> tuple[Path, ...]:
        """The files that hold a stopped machine's state: what a copy of it needs, and a reset replaces."""

    def resize(self, paths: InstancePaths, config: Config) -> None:
        """Grow the stopped instance's disk to ``config.disk``; never shrinks."""

    def machine_words(self, boot: Boot) -> tuple[str, ...]:
        """What a state that is saved of this machine is bound to, the hypervisor's version included.

        :raises DriverError: when the hypervisor is missing.
        """

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        """Start the hypervisor; returns once it runs guest code, or, with ``boot.saved``, is about to.

        It must die with the calling process, however that ends.

        :raises DriverError: with the hypervisor's own words.
        """
