# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml, typed: the effective configuration, with every default filled in.

Partial documents (a template, a module's ``config``) stay plain dicts until :mod:`callao.config`
has merged and filled them. Sizes are bytes. Names and meanings are those of Lima 2's lima.yaml.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec
from msgspec import field


class VMType(enum.StrEnum):
    QEMU = "qemu"
    VZ = "vz"
    WSL2 = "wsl2"
    KRUNKIT = "krunkit"


class Arch(enum.StrEnum):
    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    ARMV7L = "armv7l"
    PPC64LE = "ppc64le"
    RISCV64 = "riscv64"
    S390X = "s390x"


class OS(enum.StrEnum):
    LINUX = "Linux"
    DARWIN = "Darwin"
    FREEBSD = "FreeBSD"
    WINDOWS = "Windows"


class MountType(enum.StrEnum):
    REVERSE_SSHFS = "reverse-sshfs"
    P9 = "9p"
    VIRTIOFS = "virtiofs"
    WSL2 = "wsl2"


class ProvisionMode(enum.StrEnum):
    SYSTEM = "system"
    USER = "user"
    BOOT = "boot"
    DEPENDENCY = "dependency"
    DATA = "data"
    YQ = "yq"
    ANSIBLE = "ansible"


class Proto(enum.StrEnum):
    TCP = "tcp"
    UDP = "udp"
    ANY = "any"


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of all of lima.yaml's records: immutable, and strict about keys."""


class File(Record, frozen=True, kw_only=True):
    location: str = ""
    arch: Arch | None = None
    digest: str | None = None


class Kernel(File, frozen=True, kw_only=True):
    cmdline: str | None = None


class Image(File, frozen=True, kw_only=True):
    kernel: Kernel | None = None
    initrd: File | None = None
    variant: str | None = None
    arch_variant: str | None = None


class Rosetta(Record, frozen=True, kw_only=True):
    enabled: bool = False
    binfmt: bool = False


class QEMUOpts(Record, frozen=True, kw_only=True):
    minimum_version: str | None = None
    cpu_type: dict[str, str] = {}


class VZOpts(Record, frozen=True, kw_only=True):
    rosetta: Rosetta = Rosetta()
    disk_image_format: Literal["raw", "asif"] = "raw"


class VMOpts(Record, frozen=True, kw_only=True):
    """``others`` are what a document says of drivers that the machine is not of: only carried along."""

    qemu: QEMUOpts = QEMUOpts()
    vz: VZOpts = VZOpts()
    others: dict[str, Any] = {}


class AdditionalDisk(Record, frozen=True, kw_only=True):
    name: str
    format: bool = True
    fs_type: str | None = None
    fs_args: tuple[str, ...] = ()


class SSHFS(Record, frozen=True, kw_only=True):
    cache: bool = True
    follow_symlinks: bool = False
    sftp_driver: Literal["builtin", "openssh-sftp-server"] | None = None


class P9(Record, frozen=True, kw_only=True):
    security_model: Literal["passthrough", "mapped-xattr", "mapped-file", "none"] = "none"
    protocol_version: Literal["9p2000", "9p2000.u", "9p2000.L"] = "9p2000.L"
    msize: int = 128 * 1024
    cache: Literal["none", "readahead", "mmap", "loose", "fscache"] | None = None


class Virtiofs(Record, frozen=True, kw_only=True):
    queue_size: int | None = None


class Mount(Record, frozen=True, kw_only=True):
    """``mount_point`` is the guest's path; the location's own where none was given."""

    location: str
    mount_point: str
    writable: bool = False
    sshfs: SSHFS = SSHFS()
    p9: P9 = field(name="9p", default=P9())
    virtiofs: Virtiofs = Virtiofs()


class SSH(Record, frozen=True, kw_only=True):
    local_port: int = 0
    load_dot_ssh_pub_keys: bool = field(name="loadDotSSHPubKeys", default=False)
    forward_agent: bool = False
    forward_x11: bool = field(name="forwardX11", default=False)
    forward_x11_trusted: bool = field(name="forwardX11Trusted", default=False)
    over_vsock: bool = False


class FirmwareImage(File, frozen=True, kw_only=True):
    vm_type: str | None = None


class Firmware(Record, frozen=True, kw_only=True):
    legacy_bios: bool = field(name="legacyBIOS", default=False)
    images: tuple[FirmwareImage, ...] = ()


class Audio(Record, frozen=True, kw_only=True):
    device: str | None = None
    interface: Literal["hda", "virtio"] | None = None


class VNC(Record, frozen=True, kw_only=True):
    display: str | None = None


class Video(Record, frozen=True, kw_only=True):
    display: str = "none"
    vnc: VNC = VNC()


class Locator(Record, frozen=True, kw_only=True):
    url: str
    digest: str | None = None


class Provision(Record, frozen=True, kw_only=True):
    """One script, file or edit made in the guest; which fields count depends on ``mode``."""

    mode: ProvisionMode = ProvisionMode.SYSTEM
    skip_default_dependency_resolution: bool | None = None
    script: str | None = None
    file: Locator | None = None
    playbook: str | None = None
    content: str | None = None
    overwrite: bool = True
    owner: str = "root:root"
    path: str | None = None
    permissions: str | None = None
    expression: str | None = None
    format: str | None = None


class Containerd(Record, frozen=True, kw_only=True):
    system: bool = False
    user: bool = False
    archives: tuple[File, ...] = ()


class Probe(Record, frozen=True, kw_only=True):
    mode: Literal["readiness"] = "readiness"
    description: str = ""
    script: str | None = None
    file: Locator | None = None
    hint: str = ""


class PortForward(Record, frozen=True, kw_only=True):
    """One rule; ports are inclusive ranges, equal ends for a single port. First match wins."""

    guest_ip_must_be_zero: bool = field(name="guestIPMustBeZero", default=False)
    guest_ip: str = field(name="guestIP", default="127.0.0.1")
    guest_port_range: tuple[int, int] = (1, 65535)
    guest_socket: str | None = None
    host_ip: str = field(name="hostIP", default="127.0.0.1")
    host_port_range: tuple[int, int] = (1, 65535)
    host_socket: str | None = None
    proto: Proto = Proto.ANY
    reverse: bool = False
    ignore: bool = False
    static: bool = False


class CopyToHost(Record, frozen=True, kw_only=True):
    guest: str
    host: str
    skip_if_missing: bool = False
    delete_on_stop: bool = False


class Network(Record, frozen=True, kw_only=True):
    """Exactly one of ``lima``, ``socket`` and ``vz_nat`` is set."""

    lima: str | None = None
    socket: str | None = None
    vz_nat: bool = field(name="vzNAT", default=False)
    mac_address: str
    interface: str
    metric: int = 100


class HostResolver(Record, frozen=True, kw_only=True):
    enabled: bool = True
    ipv6: bool = False
    hosts: dict[str, str] = {}


class CACerts(Record, frozen=True, kw_only=True):
    remove_defaults: bool = False
    files: tuple[str, ...] = ()
    certs: tuple[str, ...] = ()


class User(Record, frozen=True, kw_only=True):
    name: str
    comment: str
    home: str
    shell: str = "/bin/bash"
    uid: int
    passwordless_sudo: bool = True


class Windows(Record, frozen=True, kw_only=True):
    virtio_win: tuple[File, ...] = ()


class OSOpts(Record, frozen=True, kw_only=True):
    windows: Windows = field(name="Windows", default=Windows())


class Egress(Record, frozen=True, kw_only=True):
    """What the guest may reach; without an entry, nothing. Entries are read by :mod:`.egress_rules`."""

    allow: tuple[str, ...] = ()
    log: bool = False


class Secret(Record, frozen=True, kw_only=True):
    """A value that the guest gets in memory; lima.yaml says only where it comes from.

    Without ``file`` and ``env``, it is given while the instance runs. With ``inject``, the guest gets a
    placeholder, and the host puts the value in its place in requests to ``hosts``.
    """

    name: str
    file: str = ""
    env: str = ""
    inject: bool = False
    hosts: tuple[str, ...] = ()
    ca_file: str = ""
    """The certificate authorities of ``hosts``, in place of the host's."""


class Config(Record, frozen=True, kw_only=True):
    """The effective configuration of one instance."""

    minimum_lima_version: str | None = None
    vm_type: VMType
    vm_opts: VMOpts = VMOpts()
    os: OS = OS.LINUX
    arch: Arch
    images: tuple[Image, ...]
    cpu_type: dict[str, str] = {}
    cpus: int
    memory: int
    disk: int
    additional_disks: tuple[AdditionalDisk, ...] = ()
    mounts: tuple[Mount, ...] = ()
    mount_types_unsupported: tuple[str, ...] = ()
    """Words that are no mount type, too: they have no effect."""
    mount_type: MountType
    mount_inotify: bool = False
    ssh: SSH = SSH()
    firmware: Firmware = Firmware()
    audio: Audio = Audio()
    video: Video = Video()
    provision: tuple[Provision, ...] = ()
    upgrade_packages: bool = False
    containerd: Containerd = Containerd()
    guest_install_prefix: str = "/usr/local"
    probes: tuple[Probe, ...] = ()
    port_forwards: tuple[PortForward, ...] = ()
    copy_to_host: tuple[CopyToHost, ...] = ()
    message: str = ""
    networks: tuple[Network, ...] = ()
    env: dict[str, str] = {}
    param: dict[str, str] = {}
    dns: tuple[str, ...] = ()
    host_resolver: HostResolver = HostResolver()
    propagate_proxy_env: bool = True
    ca_certs: CACerts = field(name="caCerts", default=CACerts())
    plain: bool = False
    timezone: str = ""
    nested_virtualization: bool = False
    user: User
    tpm: bool = False
    os_opts: OSOpts = OSOpts()
    warm: bool = False
    """Callao's own."""
    hostname: str = ""
    """Callao's own; empty for Lima's ``lima-NAME``."""
    egress: Egress | None = None
    """Callao's own; None for no limits."""
    binfmt: tuple[str, ...] = ()
    """Callao's own: names of other architectures whose programs the guest runs."""
    secrets: tuple[Secret, ...] = ()
    """Callao's own."""
