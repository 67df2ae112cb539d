# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and unmounts in a running guest, over ssh."""

from __future__ import annotations

import shlex

from callao.config.shares import GuestMount
from callao.errors import AgentError
from callao.ssh import Client

_TIMEOUT = 60.0
"""Seconds for ssh, for the guest to find the new device, and for mount(8) in an emulated guest."""

_MOUNT = """\
mkdir -p -- {point} || exit 1
i=0
while ! words=$(mount -t {type} -o {options} {source} {point} 2>&1); do
  case $words in *'unknown filesystem type'*) i=100 ;; esac
  i=$((i + 1))
  if [ $i -ge 100 ]; then echo "$words" >&2; exit 1; fi
  sleep 0.1
done
"""
"""Retries, because the kernel takes some time to find a device that was plugged in."""

_UNMOUNT = """\
mountpoint -q -- {point} || exit 0
i=0
while ! words=$(umount -- {point} 2>&1); do
  i=$((i + 1))
  if [ $i -ge 5 ]; then
    echo "$words" >&2
    for each in /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/fd/*; do
      target=$(readlink "$each" 2>/dev/null) || continue
      case $target in {point}|{point}/*)
        pid=${{each#/proc/}}; pid=${{pid%%/*}}
        echo "in use by $(cat "/proc/$pid/comm") ($pid)" >&2; break ;;
      esac
    done
    exit 1
  fi
  sleep 0.1
done
"""


async def mount_in_guest(mount: GuestMount, client: Client) -> None:
    """Mount a device's share; returns when it is mounted.

    :raises AgentError: with mount(8)'s error message.
    """
    script = _MOUNT.format(
        point=shlex.quote(mount.point),
        type=shlex.quote(mount.type),
        options=shlex.quote(mount.options),
        source=shlex.quote(mount.source),
    )
    answer = await _as_root(script, client, f"{mount.point!r} cannot be mounted")
    if answer:
        hint = ""
        if "unknown filesystem type" in answer:
            hint = f"The guest's kernel has no {mount.type}: choose another type."
        raise AgentError(f"{mount.point!r} cannot be mounted in the guest: {answer}", hint=hint)


async def unmount_in_guest(point: str, client: Client) -> None:
    """Unmount what is mounted at ``point``, if anything is.

    :raises AgentError: with the processes that use it.
    """
    answer = await _as_root(
        _UNMOUNT.format(point=shlex.quote(point)), client, f"{point!r} cannot be unmounted"
    )
    if answer:
        raise AgentError(
            f"{point!r} cannot be unmounted in the guest: {answer}", hint="End what uses it there."
        )


async def _as_root(script: str, client: Client, what: str) -> str:
    """Run the script as root in the guest; returns its error message, empty when it succeeds."""
    try:
        answer = await client.run(script, timeout=_TIMEOUT, interpreter="sudo -n /bin/sh")
    except TimeoutError:
        raise AgentError(f"{what} in the guest: no answer within {_TIMEOUT:.0f} s.") from None
    return (answer.stderr.strip() or f"status {answer.status}") if answer.status != 0 else ""
