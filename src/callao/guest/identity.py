# SPDX-License-Identifier: GPL-3.0-or-later
"""Another machine's memory made this machine's: what a guest must change that was copied while it ran.

Runs in a guest that has just been taken up, before anybody can reach it. What it writes is what cloud-init
would have written, so that the next boot finds nothing to do.
"""

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
    """Take the identity that the host gives. The answer says what the machine is now, or why it is not."""
    said = {"type": "became"}  # type: dict[str, object]
    lacking = [key for key in _NEEDED if not isinstance(message.get(key), str)]
    if lacking:
        return {**said, "error": f"become needs {', '.join(lacking)}"}
    timed = clock.follow(message.get("now"))
    if timed.get("error"):
        return {**said, "error": f"the clock cannot be set: {timed['error']}"}
    try:
        stir(base64.b64decode(str(message["entropy"]), validate=True))
        # What sshd does takes longest: it is begun first.
        replace_host_key(str(message["host_key"]), str(message["host_key_pub"]), root)
        keeps = sshd_keeps_keys(root)
        before = listening_on_ssh(root) if keeps else set()
        servers = reread_keys(root) if keeps else []
        seed.remount(root)
        rename_host(str(message["hostname"]), root)
        renumber_machine(str(message["machine_id"]), root)
        renumber_instance(str(message["instance_id"]), root)
        if servers and before:
            await_anew(before, root)
    except (OSError, ValueError) as error:
        return {**said, "error": str(error)}
    return {**said, **now(root)}


def now(root: "Path") -> "dict[str, object]":
    """What the machine says it is, read back."""
    return {
        "hostname": socket.gethostname(),
        "machine_id": read(root / "etc/machine-id"),
        "instance_id": read(root / "var/lib/cloud/data/instance-id"),
        "host_key_pub": read(root / f"{_HOST_KEY}.pub"),
    }


def stir(entropy: bytes, device: str = "/dev/urandom") -> None:
    """Add entropy: two machines restored from one state would draw the same random numbers."""
    with open(device, "wb", buffering=0) as pool:  # noqa: PTH123
        pool.write(entropy)
        with contextlib.suppress(OSError):  # Linux before 4.14 has no such request
            fcntl.ioctl(pool, RNDRESEEDCRNG)


def rename_host(name: str, root: "Path") -> None:
    before = socket.gethostname()
    write(root / "etc/hostname", f"{name}\n")
    hosts = root / "etc/hosts"
    if hosts.exists():

        def renamed(word: "re.Match[str]") -> str:
            return name + word[0][len(before) :] if f"{word[0]}.".startswith(f"{before}.") else word[0]

        write(hosts, _WORD.sub(renamed, hosts.read_text()))
    socket.sethostname(name)


def renumber_machine(identifier: str, root: "Path") -> None:
    """machine-id(5). The journal's folder has this name, and journald writes there: now both lead to it."""
    path = root / "etc/machine-id"
    before = read(path)
    write(path, f"{identifier}\n", mode=0o444)
    dbus = root / "var/lib/dbus/machine-id"
    if dbus.exists() and not dbus.is_symlink():
        write(dbus, f"{identifier}\n", mode=0o444)
    for journal in (root / "run/log/journal", root / "var/log/journal"):
        if before and (journal / before).is_dir():
            (journal / identifier).symlink_to(before)


def renumber_instance(identifier: str, root: "Path") -> None:
    """cloud-init then takes this boot's work for done, see its documentation, "Boot stages"."""
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
    """Whether it reads them but once: since OpenSSH 9.8, when sshd-session took over the connections.

    Before that, each connection has a sshd of its own, which reads them for itself.
    """
    try:
        return b"sshd-session" in (root / "usr/sbin/sshd").read_bytes()
    except OSError:
        return True


def reread_keys(root: "Path") -> "list[int]":
    """Have each sshd begin anew, which it does on SIGHUP; see sshd(8)."""
    servers = sshd_listeners(root)
    for pid in servers:
        os.kill(pid, signal.SIGHUP)
    return servers


def await_anew(before: "set[str]", root: "Path") -> None:
    """Returns when nobody answers with the old keys any more: other sockets listen than ``before``."""
    deadline = time.monotonic() + PATIENCE
    while True:
        after = listening_on_ssh(root)
        if after and not after & before:
            return
        if time.monotonic() > deadline:
            raise OSError(f"sshd did not read its keys again within {PATIENCE:.0f} s")
        time.sleep(0.01)


def sshd_listeners(root: "Path") -> "list[int]":
    """Processes named sshd that systemd or OpenRC started: not those of a session."""
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
    """In place: a copy that does not get to its end is not kept, and a new file would cost the disk more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        os.fchmod(descriptor, mode)
        file.write(data)
        file.truncate()
