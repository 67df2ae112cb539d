# SPDX-License-Identifier: GPL-3.0-or-later
"""A new identity for a guest that was restored from another machine's memory.

Runs in the guest right after it was restored, before anybody can reach it. It writes what cloud-init
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

from callao.guest import clock, seed

RNDRESEEDCRNG = 0x5207
"""ioctl of /dev/urandom, see linux/random.h: take over at once what was written to the pool."""

PATIENCE = 10.0
"""Seconds for sshd to read its keys again."""

_NEEDED = ("hostname", "machine_id", "instance_id", "host_key", "host_key_pub", "entropy")
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
_LISTEN = "0A"
_WORD = re.compile(r"[\w.-]+")


def become(message: "dict[str, object]", root: "Path" = Path("/")) -> "dict[str, object]":
    """Take the identity in the message. The answer has the identity read back, or the error."""
    said = {"type": "became"}  # type: dict[str, object]
    lacking = [key for key in _NEEDED if not isinstance(message.get(key), str)]
    if lacking:
        return {**said, "error": f"become needs {', '.join(lacking)}"}
    timed = clock.follow(message.get("now"))
    if timed.get("error"):
        return {**said, "error": f"the clock cannot be set: {timed['error']}"}
    try:
        add_entropy(base64.b64decode(str(message["entropy"]), validate=True))
        # Restarting sshd takes longest, so it comes first.
        replace_host_key(str(message["host_key"]), str(message["host_key_pub"]), root)
        keeps = sshd_keeps_keys(root)
        before = listening_on_ssh(root) if keeps else set()
        servers = reread_keys(root) if keeps else []
        seed.remount(root)
        set_hostname(str(message["hostname"]), root)
        set_machine_id(str(message["machine_id"]), root)
        set_instance_id(str(message["instance_id"]), root)
        if servers and before:
            wait_for_new_listeners(before, root)
    except (OSError, ValueError) as error:
        return {**said, "error": str(error)}
    return {**said, **now(root)}


def now(root: "Path") -> "dict[str, object]":
    """The machine's identity, read back."""
    return {
        "hostname": socket.gethostname(),
        "machine_id": read(root / "etc/machine-id"),
        "instance_id": read(root / "var/lib/cloud/data/instance-id"),
        "host_key_pub": read(root / f"{_HOST_KEY}.pub"),
    }


def add_entropy(entropy: bytes, device: str = "/dev/urandom") -> None:
    """Add entropy: two machines restored from one state would draw the same random numbers."""
    with open(device, "wb", buffering=0) as pool:  # noqa: PTH123
        pool.write(entropy)
        with contextlib.suppress(OSError):  # Linux before 4.14 has no such request
            fcntl.ioctl(pool, RNDRESEEDCRNG)


def set_hostname(name: str, root: "Path") -> None:
    before = socket.gethostname()
    write(root / "etc/hostname", f"{name}\n")
    hosts = root / "etc/hosts"
    if hosts.exists():

        def renamed(word: "re.Match[str]") -> str:
            return name + word[0][len(before) :] if f"{word[0]}.".startswith(f"{before}.") else word[0]

        write(hosts, _WORD.sub(renamed, hosts.read_text()))
    socket.sethostname(name)


def set_machine_id(identifier: str, root: "Path") -> None:
    """machine-id(5). journald keeps writing to the folder of the old id: the new one becomes a link to
    it.
    """
    path = root / "etc/machine-id"
    before = read(path)
    write(path, f"{identifier}\n", mode=0o444)
    dbus = root / "var/lib/dbus/machine-id"
    if dbus.exists() and not dbus.is_symlink():
        write(dbus, f"{identifier}\n", mode=0o444)
    for journal in (root / "run/log/journal", root / "var/log/journal"):
        if before and (journal / before).is_dir():
            (journal / identifier).symlink_to(before)


def set_instance_id(identifier: str, root: "Path") -> None:
    """cloud-init then skips the work of a first boot, see its documentation, "Boot stages".

    Not flushed, which an emulated guest would wait for: after a power failure cloud-init does the work of a
    first boot once more, as in a new machine.
    """
    cloud = root / "var/lib/cloud"
    before = read(cloud / "data/instance-id")
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
            write(path, f"{identifier}\n")


def replace_host_key(private: str, public: str, root: "Path") -> None:
    """sshd_config(5), HostKey."""
    write(root / _HOST_KEY, private, mode=0o600)
    write(root / f"{_HOST_KEY}.pub", public.strip() + "\n")


def sshd_keeps_keys(root: "Path") -> bool:
    """Whether sshd reads its host keys only when it starts: since OpenSSH 9.8, which has sshd-session.

    Before that, each connection had a sshd of its own, which read them again.
    """
    try:
        return b"sshd-session" in (root / "usr/sbin/sshd").read_bytes()
    except OSError:
        return True


def reread_keys(root: "Path") -> "list[int]":
    """Restart each sshd by SIGHUP, see sshd(8)."""
    servers = sshd_listeners(root)
    for pid in servers:
        os.kill(pid, signal.SIGHUP)
    return servers


def wait_for_new_listeners(before: "set[str]", root: "Path") -> None:
    """Wait until no socket of ``before``, which answers with the old keys, listens any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        after = listening_on_ssh(root)
        if after and not after & before:
            return
        if time.monotonic() > deadline:
            raise OSError(f"sshd did not read its keys again within {PATIENCE:.0f} s")
        time.sleep(0.01)


def sshd_listeners(root: "Path") -> "list[int]":
    """The sshd processes that systemd or OpenRC started, without those of sessions."""
    found = []
    for entry in (root / "proc").iterdir():
        if entry.name.isdigit():
            fields = read(entry / "stat").rpartition(")")
            if fields[0].endswith("(sshd") and fields[2].split()[1] == "1":
                found.append(int(entry.name))
    return found


def listening_on_ssh(root: "Path") -> "set[str]":
    """Inodes of the sockets that listen on port 22, see proc(5), /proc/net/tcp."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in read(root / "proc/net" / name).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN and fields[1].endswith(":0016"):
                found.add(fields[9])
    return found


def read(path: "Path") -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def write(path: "Path", text: str, mode: int = 0o644) -> None:
    """Write in place: a copy that fails is not kept, and a new file would take more of the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        os.fchmod(descriptor, mode)
        file.write(data)
        file.truncate()
