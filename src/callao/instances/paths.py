# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an instance: Lima's file names, and the few of our own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

VM_TYPES = ("qemu", "vz", "wsl2", "krunkit")
"""The values of lima.yaml's ``vmType``, for modules that must import quickly."""


def ssh_alias(name: str) -> str:
    """The name of the instance for ssh: its ``Host`` in ssh.config, and its name in known_hosts."""
    return f"lima-{name}"


class InstancePaths(NamedTuple):
    """The paths of one instance's files; nothing here accesses the disk."""

    dir: Path

    @property
    def name(self) -> str:
        return self.dir.name

    @property
    def runtime_files(self) -> tuple[Path, ...]:
        """Files that are only valid while the machine runs."""
        return (
            self.ha_sock, self.ssh_sock, self.qmp_sock, self.ga_sock, *self.driver_pids, self.disk_full
        )  # fmt: skip

    @property
    def driver_pids(self) -> tuple[Path, ...]:
        """Pid files of the hypervisors of every driver, because only lima.yaml says which driver it is."""
        return tuple(self.driver_pid(each) for each in VM_TYPES)

    def driver_pid(self, vm_type: str) -> Path:
        """The pid file of the hypervisor; Lima names it by the driver."""
        return self.dir / f"{vm_type}.pid"

    @property
    def lima_yaml(self) -> Path:
        return self.dir / "lima.yaml"

    @property
    def lima_version(self) -> Path:
        return self.dir / "lima-version"

    @property
    def protected(self) -> Path:
        return self.dir / "protected"

    @property
    def cidata_iso(self) -> Path:
        return self.dir / "cidata.iso"

    @property
    def cidata_folder(self) -> Path:
        """Ours: the seed, for drivers that bring it into the guest as files."""
        return self.dir / "cidata"

    @property
    def wsl2_json(self) -> Path:
        """Ours: the distribution of WSL that is this instance's, which is to go with it."""
        return self.dir / "wsl2.json"

    @property
    def disk(self) -> Path:
        return self.dir / "disk"

    @property
    def kernel(self) -> Path:
        return self.dir / "kernel"

    @property
    def kernel_cmdline(self) -> Path:
        return self.dir / "kernel.cmdline"

    @property
    def initrd(self) -> Path:
        return self.dir / "initrd"

    @property
    def qmp_sock(self) -> Path:
        return self.dir / "qmp.sock"

    @property
    def qemu_efi_vars(self) -> Path:
        """Ours: the machine's writable UEFI variable store."""
        return self.dir / "qemu-efi-vars.fd"

    @property
    def qemu_log(self) -> Path:
        """Ours: QEMU's own stderr."""
        return self.dir / "qemu.log"

    @property
    def vnc_password(self) -> Path:
        """The password of QEMU's VNC server, for ``video.display: vnc``."""
        return self.dir / "vncpassword"

    @property
    def serial_log(self) -> Path:
        return self.dir / "serial.log"

    @property
    def ssh_sock(self) -> Path:
        return self.dir / "ssh.sock"

    @property
    def ssh_config(self) -> Path:
        return self.dir / "ssh.config"

    @property
    def ga_sock(self) -> Path:
        return self.dir / "ga.sock"

    @property
    def sockets(self) -> Path:
        """A link to the folder of a machine's sockets, where its driver has them elsewhere."""
        return self.dir / "sockets"

    @property
    def ha_pid(self) -> Path:
        return self.dir / "ha.pid"

    @property
    def ha_sock(self) -> Path:
        return self.dir / "ha.sock"

    @property
    def ha_stdout(self) -> Path:
        return self.dir / "ha.stdout.log"

    @property
    def ha_stderr(self) -> Path:
        return self.dir / "ha.stderr.log"

    @property
    def disk_full(self) -> Path:
        """Ours: an empty file, there while the hypervisor has the machine paused for lack of space."""
        return self.dir / "disk-full"

    @property
    def callao_json(self) -> Path:
        """Ours: labels, template, image, timings; Lima's readers never see it."""
        return self.dir / "callao.json"

    @property
    def persisted(self) -> Path:
        """What ``persist`` has written, see :mod:`callao.instances.persisted`."""
        return self.dir / "persisted.json"

    @property
    def resume_file(self) -> Path:
        """Ours: the saved state that the next start resumes from, once."""
        return self.dir / "take-up.json"

    @property
    def snapshots(self) -> Path:
        """Ours: a folder for each snapshot; the layers of the disk are beside the disk."""
        return self.dir / "snapshots"

    @property
    def runtime(self) -> Path:
        """Ours: the last start: its processes, ports and progress."""
        return self.dir / "runtime.json"

    @property
    def host_key(self) -> Path:
        """Ours: the guest's ssh host key, injected by cloud-init."""
        return self.dir / "ssh_host_ed25519_key"

    @property
    def host_key_pub(self) -> Path:
        return self.dir / "ssh_host_ed25519_key.pub"

    @property
    def known_hosts(self) -> Path:
        return self.dir / "known_hosts"

    @property
    def sock_dir(self) -> Path:
        return self.dir / "sock"
