# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a new identity to a guest that was restored from another machine's memory.

Runs in the guest right after it was restored, before anybody can connect to it. It writes what cloud-init
would have written, so that cloud-init has nothing to do at the next boot.
"""

import sys

assert sys.platform == "linux"

import base64
import contextlib
import fcntl
import os
import re
import signal
import socket
import time
from pathlib import Path

from callao.guest import cidata_disk, clock

RNDRESEEDCRNG = 0x5207
"""ioctl of /dev/urandom, see linux/random.h: reseed the generator at once from the entropy pool."""

RELOAD_TIMEOUT = 10.0
"""Seconds that sshd may take to restart with the new host key."""

_REQUIRED = ("hostname", "machine_id", "instance_id", "host_key", "host_key_pub", "entropy")
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
_TCP_LISTEN = "0A"
_HOSTS_WORD = re.compile(r"[\w.-]+")


def set_identity(message: "dict[str, object]", root: "Path" = Path("/")) -> "dict[str, object]":
    """Take the identity in the message ``become``. The answer has the identity as read back, or the
    error.
    """
    answer = {"type": "became"}  # type: dict[str, object]
    missing = [key for key in _REQUIRED if not isinstance(message.get(key), str)]
    if missing:
        return {**answer, "error": f"become needs {', '.join(missing)}"}
    clock_answer = clock.synchronize(message.get("now"))
    if clock_answer.get("error"):
        return {**answer, "error": f"the clock cannot be set: {clock_answer['error']}"}
    try:
        add_entropy(base64.b64decode(str(message["entropy"]), validate=True))
        # Restarting sshd takes longest, so it is started first.
        replace_host_key(str(message["host_key"]), str(message["host_key_pub"]), root)
        caches_keys = sshd_caches_host_keys(root)
        before = ssh_listening_sockets(root) if caches_keys else set()
        servers = reload_sshd(root) if caches_keys else []
        cidata_disk.remount(root)
        set_hostname(str(message["hostname"]), root)
        set_machine_id(str(message["machine_id"]), root)
        set_instance_id(str(message["instance_id"]), root)
        if servers and before:
            wait_for_new_sockets(before, root)
    except (OSError, ValueError) as error:
        return {**answer, "error": str(error)}
    return {**answer, **read_identity(root)}


def read_identity(root: "Path") -> "dict[str, object]":
    """The machine's identity, read back."""
    return {
        "hostname": socket.gethostname(),
        "machine_id": read_text(root / "etc/machine-id"),
        "instance_id": read_text(root / "var/lib/cloud/data/instance-id"),
        "host_key_pub": read_text(root / f"{_HOST_KEY}.pub"),
    }


def add_entropy(entropy: bytes, device: str = "/dev/urandom") -> None:
    """Add entropy: two machines restored from one state would draw the same random numbers."""
    with open(device, "wb", buffering=0) as pool:  # noqa: PTH123
        pool.write(entropy)
        with contextlib.suppress(OSError):  # Linux before 4.14 has no such request
            fcntl.ioctl(pool, RNDRESEEDCRNG)


def set_hostname(name: str, root: "Path") -> None:
    before = socket.gethostname()
    write_text(root / "etc/hostname", f"{name}\n")
    hosts = root / "etc/hosts"
    if hosts.exists():

        def renamed(word: "re.Match[str]") -> str:
            return name + word[0][len(before) :] if f"{word[0]}.".startswith(f"{before}.") else word[0]

        write_text(hosts, _HOSTS_WORD.sub(renamed, hosts.read_text()))
    socket.sethostname(name)


def set_machine_id(identifier: str, root: "Path") -> None:
    """Write machine-id(5). journald keeps writing to the folder of the old id, so the new id becomes a
    symbolic link to it.
    """
    path = root / "etc/machine-id"
    before = read_text(path)
    write_text(path, f"{identifier}\n", mode=0o444)
    dbus = root / "var/lib/dbus/machine-id"
    if dbus.exists() and not dbus.is_symlink():
        write_text(dbus, f"{identifier}\n", mode=0o444)
    for journal in (root / "run/log/journal", root / "var/log/journal"):
        if before and (journal / before).is_dir():
            (journal / identifier).symlink_to(before)


def set_instance_id(identifier: str, root: "Path") -> None:
    """Have cloud-init skip the work of a first boot, see its documentation, "Boot stages".

    The file is not flushed to the disk, which takes long in an emulated guest. After a power failure
    cloud-init would do the work of a first boot again, as in a new machine.
    """
    cloud = root / "var/lib/cloud"
    before = read_text(cloud / "data/instance-id")
    if not before:
        return
    if before != identifier and (cloud / "instances" / before).is_dir():
        (cloud / "instances" / before).rename(cloud / "instances" / identifier)
    link = cloud / "instance"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(f"instances/{identifier}")
    for path in (cloud / "data/instance-id", root / "run/cloud-init/.instance-id"):
        if path.exists():
            write_text(path, f"{identifier}\n")


def replace_host_key(private: str, public: str, root: "Path") -> None:
    """Write the key pair that sshd uses by default, see sshd_config(5), HostKey."""
    write_text(root / _HOST_KEY, private, mode=0o600)
    write_text(root / f"{_HOST_KEY}.pub", public.strip() + "\n")


def sshd_caches_host_keys(root: "Path") -> bool:
    """Whether sshd reads its host keys only when it starts: so since OpenSSH 9.8, which has sshd-session.

    Older versions execute sshd anew for each connection, which reads the keys again.
    """
    try:
        return b"sshd-session" in (root / "usr/sbin/sshd").read_bytes()
    except OSError:
        return True


def reload_sshd(root: "Path") -> "list[int]":
    """Restart each sshd by SIGHUP, see sshd(8), and return their process ids."""
    servers = sshd_daemons(root)
    for pid in servers:
        os.kill(pid, signal.SIGHUP)
    return servers


def wait_for_new_sockets(before: "set[str]", root: "Path") -> None:
    """Wait until sshd listens on new sockets: those in ``before`` still answer with the old key."""
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while True:
        after = ssh_listening_sockets(root)
        if after and not after & before:
            return
        if time.monotonic() > deadline:
            raise OSError(f"sshd did not read its keys again within {RELOAD_TIMEOUT:.0f} s")
        time.sleep(0.01)


def sshd_daemons(root: "Path") -> "list[int]":
    """Process ids of the sshd that systemd or OpenRC started, without those of sessions."""
    found = []
    for entry in (root / "proc").iterdir():
        if entry.name.isdigit():
            fields = read_text(entry / "stat").rpartition(")")
            if fields[0].endswith("(sshd") and fields[2].split()[1] == "1":
                found.append(int(entry.name))
    return found


def ssh_listening_sockets(root: "Path") -> "set[str]":
    """Inodes of the sockets that listen on port 22, see proc(5), /proc/net/tcp."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in read_text(root / "proc/net" / name).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _TCP_LISTEN and fields[1].endswith(":0016"):
                found.add(fields[9])
    return found


def read_text(path: "Path") -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write_text(path: "Path", text: str, mode: int = 0o644) -> None:
    """Write in place, not by renaming: a copy of a machine that fails here is deleted, and a new file would
    take more of the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        os.fchmod(descriptor, mode)
        file.write(data)
        file.truncate()
