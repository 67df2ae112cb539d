# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the build of another architecture's image, whose programs QEMU's user mode emulates by binfmt_misc.

See the kernel's Documentation/admin-guide/binfmt-misc.rst. A host on which systemd or binfmt-support has
registered the emulator is used as it is. Otherwise it is registered for the build alone: in a user
namespace, whose registrations nobody else sees (Linux 6.7), or, by root, until the build has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from callao import system
from callao.architectures import ARCHITECTURES
from callao.golden.run import as_root

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_REGISTRATIONS = Path("/usr/lib/binfmt.d")

PACKAGE = "qemu-user-static"

_REGISTER = """
set -eu
point=$1 line=$2
shift 2
mount -t binfmt_misc binfmt_misc "$point" || {
  echo "this kernel lets root alone register an emulator: install binfmt-support, or build as root" >&2
  exit 1
}
name=${line#:}
name=${name%%:*}
[ -e "$point/$name" ] || {
  printf '%s' "$line" >"$point/register"
  trap 'echo -1 >"$point/$name"' EXIT
  trap 'exit 143' TERM
}
"$@"
"""


def is_registered(arch: str, binfmt: Path = _BINFMT) -> bool:
    """Whether this host runs programs of ``arch`` inside another root: the flag F has the kernel open the
    emulator when it is registered, so that the path need not exist there."""
    try:
        entry = (binfmt / f"qemu-{ARCHITECTURES[arch].qemu}").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in entry if line.startswith("flags:")), "")
    return "enabled" in entry and "F" in flags


def registration(arch: str) -> Path:
    """The file that Debian's package has for systemd-binfmt(8)."""
    return _REGISTRATIONS / f"qemu-{ARCHITECTURES[arch].qemu}.conf"


def mmdebstrap_mode(arch: str, host_arch: str) -> str:
    """mmdebstrap's ``--mode``: in a user namespace that registers the emulator the user is root already."""
    registers = arch != host_arch and not is_registered(arch)
    return "root" if system.uid() == 0 or registers else "unshare"


def with_emulator(argv: Sequence[str], arch: str, host_arch: str) -> list[str]:
    """The command, where programs of ``arch`` can be run."""
    if arch == host_arch or is_registered(arch):
        return list(argv)
    line = registration(arch).read_text(encoding="ascii").strip()
    wrapped = ["unshare", "--mount", "--", "sh", "-c", _REGISTER, "sh", str(_BINFMT), line, *argv]
    return as_root(wrapped)
