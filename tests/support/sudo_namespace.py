# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount and network namespace with sudo, a user in the group ``admin``, and a socket_vmnet. Needs root.

Nothing of it is seen outside: users, groups, sudoers.d and /srv are mounts of the namespace alone.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import callao

USER, UID = "limauser", 4711
HOME = Path("/srv/home/.lima")
PYTHON = f"/srv/python/bin/{Path(sys.executable).resolve().name}"
SHEBANG = f"#!{PYTHON} -I\n".encode()
STAND_IN = SHEBANG + Path(__file__).with_name("socket_vmnet.py").read_bytes()

_SETUP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /etc/sudoers.d
for each in passwd group shadow; do cp -p /etc/$each "$1/$each"; done
echo 'limauser:x:4711:4711::/srv/home:/bin/sh' >> "$1/passwd"
printf 'limauser:x:4711:\\nadmin:x:4712:limauser\\nwheel:x:4713:\\n' >> "$1/group"
echo 'limauser:*:19000:0:99999:7:::' >> "$1/shadow"
for each in passwd group shadow; do mount --bind "$1/$each" /etc/$each; done
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir -p /srv/bin /srv/run /srv/home/.lima/_config /srv/python /srv/engine /srv/site
chgrp daemon /srv/run
chmod 2755 /srv/run
mount --bind "$2" /srv/python
mount --bind "$3" /srv/engine
mount --bind "$4" /srv/site
cp "$1/program" /srv/bin/socket_vmnet
mount -t sysfs sysfs /sys
ip link set lo up
chmod 755 /srv/bin/socket_vmnet
cat > /srv/home/.lima/_config/networks.yaml
chown -R limauser:limauser /srv/home
exec 0<&-
echo ready
exec sleep infinity
"""

NETWORKS = """\
paths:
  socketVMNet: /srv/bin/socket_vmnet
  varRun: /srv/run/lima
  sudoers: /etc/sudoers.d/lima
group: admin
networks:
  user-v2: {mode: user-v2, gateway: 192.168.104.1, netmask: 255.255.255.0}
  shared: {mode: shared, gateway: 192.168.105.1, dhcpEnd: 192.168.105.254, netmask: 255.255.255.0}
  bridged: {mode: bridged, interface: en0}
  host: {mode: host, gateway: 192.168.106.1, dhcpEnd: 192.168.106.254, netmask: 255.255.255.0}
"""


class SudoNamespace:
    """Runs commands in it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @property
    def root(self) -> Path:
        """Its file system, as it is seen from outside."""
        return Path(f"/proc/{self._pid}/root")

    def argv(self, *argv: str, user: bool = True) -> list[str]:
        """The command line of one that runs there, as the user or as root."""
        words = ["nsenter", "--target", str(self._pid), "--mount", "--net", "--pid", "--"]
        if user:
            words += ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups", "--reset-env"]
        engine = ["PYTHONPATH=/srv/engine:/srv/site", f"LIMA_HOME={HOME}", "PYTHONDONTWRITEBYTECODE=1"]
        return [*words, "env", *engine, *argv]

    def run(self, *argv: str, user: bool = True) -> subprocess.CompletedProcess[str]:
        """As the user, or as root."""
        return subprocess.run(
            self.argv(*argv, user=user), stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/"
        )

    def python(self, code: str, *, user: bool = True) -> subprocess.CompletedProcess[str]:
        """A program that has the engine."""
        return self.run(PYTHON, "-c", code, user=user)

    def callao(self, *words: str, user: bool = True) -> subprocess.CompletedProcess[str]:
        return self.python(
            f"import sys; sys.argv[1:] = {words!r}; from callao.cli.main import main; sys.exit(main())",
            user=user,
        )


@contextmanager
def sudo_namespace(folder: Path, program: bytes = STAND_IN) -> Iterator[SudoNamespace]:
    """The namespace, and none of its processes after.

    :param folder: for the copies of /etc's files.
    :param program: what is installed as socket_vmnet.
    """
    words = (
        str(folder), sys.base_prefix, str(Path(callao.__file__).parents[1]), sysconfig.get_path("purelib"),
    )  # fmt: skip
    (folder / "program").write_bytes(program)
    holder = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            _SETUP,
            "sh",
            *words,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        holder.stdin.write(NETWORKS)
        holder.stdin.close()
        assert holder.stdout.readline() == "ready\n"
        inner = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        yield SudoNamespace(int(inner))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
