# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of drivers. Callers look at :class:`Features`, never at a driver's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias, runtime_checkable

from callao.config import Config, MountType, VMType
from callao.disks.layers import LayerStore
from callao.errors import Problem
from callao.events import Reporter
from callao.guest_network import GuestNetwork
from callao.host import Host
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths, MachineLayout
from callao.reach import Reach

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from callao.images import FetchedImage  # a download has no part in running a machine

    Channel: TypeAlias = tuple[StreamReader, StreamWriter]
    OpenChannel: TypeAlias = Callable[[], Awaitable[Channel]]

SPARE_SLOTS = 8
"""Free slots for devices that a running machine is given, beyond those used from the start."""

WARM_SLOTS = 2 * SPARE_SLOTS
"""Free slots of a machine that is made to be copied: a copy gets the devices of its configuration later,
too."""


@dataclass(frozen=True)
class Features:
    """What a driver can do.

    ``honoured`` lists the top-level fields of lima.yaml that the driver acts on; one that is set
    and not honoured is a validation problem or a warning, never silence.
    """

    vm_type: VMType
    mount_types: frozenset[MountType]
    honoured: frozenset[str]
    hot_mount_types: frozenset[MountType] = frozenset()
    """Types of device that a running machine can be given."""
    live_port_forwards: bool = False
    """Whether the hypervisor forwards ports itself, also while it runs: :class:`LiveForwarder`."""
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
    guest_program: bool = True
    """Whether a program in the guest reports its ports and forwards them; else, the host's system does."""
    seed_folder: bool = False
    """Whether the guest gets its seed from ``InstancePaths.cidata_folder``, and not from a disk."""
    rootfs_images: bool = False
    """Whether images are tars of root file systems, and not disk images."""
    saved_states: bool = False
    """Whether a running machine can be saved and taken up again: :class:`StateSaver`."""
    disk_formats: frozenset[ImageFormat] = frozenset(ImageFormat)
    """Of additional disks."""
    forbidden: str = ""
    """Characters that the path of an instance's folder cannot have: the hypervisor's options have no escape
    for them."""


@dataclass(frozen=True)
class Forward:
    """A port forward of the hypervisor itself: a host's address and port to a guest's port."""

    proto: str
    """``tcp`` or ``udp``."""
    host_ip: str
    host_port: int
    guest_port: int


@dataclass(frozen=True)
class DeviceShare:
    """A directory of the host that the hypervisor shares as a device with a mount tag.

    Without ``writable`` it is read-only on the host's side, so that not even the guest's root can write.
    """

    tag: str
    type: MountType
    location: str
    writable: bool = False
    security_model: str = "none"
    """9p only: how the guest's file owners are stored on the host, see qemu(1), ``-fsdev``."""
    queue_size: int | None = None
    """virtiofs only: the size of the device's request queue."""


@dataclass(frozen=True)
class DataDisk:
    """An additional disk, which the guest finds by its serial number.

    ``image`` is its file on the host, ``format`` qcow2 or raw, ``slot`` the machine's port for it; the
    driver chooses the slot of a disk that is plugged while the machine runs.
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
class FrozenLayers:
    """The layers in which a machine's disks were frozen, by name, see :mod:`callao.disks.layers`."""

    layer: str
    """The layer of the instance's own disk."""
    disks: Mapping[str, str] = field(default_factory=dict)
    """The layers of the additional disks, by the disks' names."""


_DEFAULT_LAYOUT = MachineLayout(SPARE_SLOTS)


@dataclass(frozen=True)
class SavedState:
    """A state to restore: the folder that :meth:`StateSaver.save` filled."""

    folder: Path
    shared_memory: bool = True
    """Whether the machine gets its own copy of the memory, which virtiofs needs. Otherwise the memory is
    mapped from the folder where that is possible, and the folder must stay as long as the machine runs."""


@dataclass(frozen=True)
class NicSockets:
    """Descriptors of stream sockets. The first NIC is connected to one of them, the hypervisor's network
    stack to the other: who has their other ends passes frames on, each after its length in 32 bits, or does
    not.
    """

    nic: int
    stack: int


@dataclass(frozen=True)
class Boot:
    """What one start needs beyond the configuration."""

    paths: InstancePaths
    config: Config
    reach: Reach | None
    """What :meth:`Driver.reach` returned; None while the guest's sshd must not be reachable."""
    forwards: tuple[Forward, ...] = ()
    mac_address: str = ""
    """MAC address of the first, user-mode NIC; it stays the same over the life of the instance."""
    shares: tuple[DeviceShare, ...] = ()
    disks: tuple[DataDisk, ...] = ()
    """Each with its slot."""
    layout: MachineLayout = _DEFAULT_LAYOUT
    saved: SavedState | None = None
    """The state to restore in place of booting; the machine is then paused until it is resumed."""
    nic_sockets: NicSockets | None = None
    """Only for drivers that honour ``egress``."""


class Machine(Protocol):
    """A running virtual machine, owned by the process that started it."""

    @property
    def pid(self) -> int:
        """Process id of the hypervisor. The file ``InstancePaths.driver_pid`` has it while the process runs:
        stopping, deleting and the checks for use read it there, and need not load a driver."""

    async def wait(self) -> int:
        """Wait until the machine is off; returns the hypervisor's exit status."""

    async def power_button(self) -> None:
        """Ask the guest to shut down (ACPI); returns at once.

        :raises DriverError: when the hypervisor does not accept the request.
        """

    async def quit(self) -> None:
        """Tell the hypervisor to end now, flushing its disks; returns at once."""

    async def kill(self) -> None:
        """Kill the process; returns when it has ended."""

    async def channel(self) -> Channel:
        """Open a connection to the program in the guest, which serves one connection at a time.

        :raises OSError: when it cannot be opened.
        """


@runtime_checkable
class LiveForwarder(Protocol):
    """A machine whose hypervisor forwards ports of the host, and can change the forwards while it runs; only
    where ``Features.live_port_forwards``."""

    async def add_forward(self, forward: Forward) -> None:
        """:raises PortTaken: when the host's port is taken."""

    async def remove_forward(self, forward: Forward) -> None:
        """Remove a forward; one that does not exist is ignored.

        :raises DriverError: when it cannot be removed.
        """


@runtime_checkable
class StateSaver(Protocol):
    """A machine whose memory and devices can be written to files; only where ``Features.saved_states``."""

    async def save(self, folder: Path) -> FrozenLayers:
        """Pause the machine, freeze all disks or none (later writes go to overlays), and write memory and
        device state into ``folder``. The machine stays paused.

        :raises DriverError: when it cannot be saved; it can be resumed then.
        """

    async def resume(self) -> None:
        """Resume the machine after a save or a restore."""


@runtime_checkable
class OutOfSpacePauser(Protocol):
    """A machine that is paused when the host has no space for what its guest writes."""

    async def wait_out_of_space(self) -> None:
        """Wait until the machine is paused for that reason; returns at once for a pause since the last
        call.
        """

    async def resume(self) -> None:
        """Retry the write and resume; if there still is no space, the machine is paused again."""


@runtime_checkable
class ScreenReader(Protocol):
    """A machine whose screen other programs can read."""

    async def write_screen(self, file: Path) -> None:
        """Write what the first display shows to ``file``, in the form of netpbm's ppm(5).

        :raises DriverError: when the machine has no display.
        """


@runtime_checkable
class ShareHotPlugger(Protocol):
    """A machine that can be given shares while it runs; only where ``Features.hot_mount_types``."""

    async def plug_share(self, share: DeviceShare) -> None:
        """Give the guest a device with ``share.tag``; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def unplug_share(self, tag: str) -> None:
        """Remove the device, which the guest must have unmounted.

        :raises DriverError: when the guest does not release it; the slot stays in use.
        """


@runtime_checkable
class DiskHotPlugger(Protocol):
    """A machine that can be given disks while it runs; only where ``Features.hot_disks``."""

    async def plug_disk(self, disk: DataDisk) -> None:
        """Give the guest the disk; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def unplug_disk(self, name: str) -> None:
        """Remove the disk, which the guest must not use any more.

        :raises DriverError: when the guest does not release it; it stays attached then.
        """

    def data_disks(self) -> tuple[DataDisk, ...]:
        """The additional disks that the machine has now, each with its slot."""


@runtime_checkable
class NicHotPlugger(Protocol):
    """A machine that can be given network interfaces while it runs; only where ``Features.hot_nics`` or
    ``Features.boot_nics``.

    An interface sends and receives its frames over a socket: a stream socket, where each frame comes after
    its length in 32 bits, or a datagram socket with one frame in each datagram. The machine gets a duplicate
    of the socket's descriptor.
    """

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        """Give the guest the interface; it may need a moment to find it.

        :raises DriverError: when no slot is free, or the hypervisor refuses; nothing is left then.
        """

    async def relink_nic(self, interface: str, stream: int) -> None:
        """Connect the interface to another socket; the guest does not notice.

        :raises DriverError: when the hypervisor refuses.
        """

    async def unplug_nic(self, interface: str) -> None:
        """Remove the interface.

        :raises DriverError: when the guest does not release it; it stays attached then.
        """


@runtime_checkable
class StateCopier(Protocol):
    """A driver with state that is not in the files of :meth:`Driver.state_files`."""

    def copy_state(self, paths: InstancePaths, target: InstancePaths) -> None:
        """Make the files in the folder of ``target`` from the state of a stopped machine.

        :raises DriverError: when that cannot be; nothing is left then.
        """


@runtime_checkable
class StateReleaser(Protocol):
    """A driver that keeps state outside of the instance's folder."""

    def release(self, paths: InstancePaths) -> None:
        """Remove that state, before the folder of the stopped instance is removed.

        :raises DriverError: when it is still there.
        """


@dataclass(frozen=True)
class Log:
    """A log file that explains a failure; ``name`` is the name of the program that wrote it, for
    messages.
    """

    name: str
    path: Path


class Driver(Protocol):
    """One way to run virtual machines. Stateless: an instance's folder holds the state."""

    features: ClassVar[Features]
    layers: ClassVar[LayerStore]
    """The store of layers of an instance's own disk, and of the additional disks that can have layers."""

    def validate(self, config: Config, host: Host) -> list[Problem]:
        """The fields of ``config`` with which this driver cannot run a machine. A pure function."""

    def network(self, config: Config) -> GuestNetwork:
        """The network of the first NIC of a machine of ``config``.

        Has no effects; a driver whose network needs a program looks for it on the host, once in a process.
        """

    def reach(self, paths: InstancePaths, config: Config, port: int) -> Reach:
        """How ssh gets to the guest's sshd, in the network that :meth:`network` tells. Has no effects.

        :param port: a free port of the host's loopback, which the machine may forward to it.
        """

    def evidence(self, paths: InstancePaths) -> tuple[Log, ...]:
        """The logs that explain why a machine failed, the hypervisor's own first."""

    def missing(self, config: Config) -> list[str]:
        """What the host lacks to run ``config`` (programs, firmware), one sentence with its remedy for
        each.
        """

    def create(self, paths: InstancePaths, config: Config, image: FetchedImage) -> None:
        """Create the instance's disks in ``paths.dir``; existing files are kept.

        :raises ConfigError: for a disk that is smaller than its image.
        :raises DriverError: when a disk cannot be created.
        """

    def state_files(self, paths: InstancePaths) -> tuple[Path, ...]:
        """The files that hold a stopped machine's state: a clone copies them, and a factory reset replaces
        them.
        """

    def resize(self, paths: InstancePaths, config: Config) -> None:
        """Grow the stopped instance's disk to ``config.disk``; never shrinks."""

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        """Start the hypervisor; returns once it runs guest code, or, with ``boot.saved``, is ready to.

        It must end with the calling process, even if that is killed.

        :raises DriverError: with the hypervisor's own message.
        """


@runtime_checkable
class RestoringDriver(Driver, Protocol):
    """A driver whose machines can go on from a saved state; only where ``Features.saved_states``."""

    def machine_arguments(self, boot: Boot) -> tuple[str, ...]:
        """The hypervisor's version and the arguments that a saved state depends on: it can only be restored
        into a machine with the same ones.

        :raises DriverError: when the hypervisor is missing.
        """
