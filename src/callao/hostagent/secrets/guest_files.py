# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes and removes the files of secrets in the guest.

They lie on a ramfs, which the kernel never swaps out, and which has no other place than memory. The value
goes to a shell in the guest as part of its script, by the standard input of ssh: it is in no argument of a
process. ``printf`` is built into the shells that are ``/bin/sh``, and a here-document would be a file in
some of them.
"""

from __future__ import annotations

import base64
import shlex

from callao.errors import AgentError
from callao.ssh import Client

FOLDER = "/run/callao/secrets"

_TIMEOUT = 60.0

_MOUNT = f"""\
set -eu
umask 077
grep -q ' {FOLDER} ramfs ' /proc/mounts || {{
  mkdir -p -m 0755 /run/callao {FOLDER}
  mount -t ramfs -o nosuid,nodev,noexec,mode=0755 callao-secrets {FOLDER}
}}
cd {FOLDER}
"""

_REMOVE = """\
if [ -f {name} ]; then
  size=$(wc -c <{name})
  head -c "$size" /dev/zero | dd of={name} conv=notrunc 2>/dev/null
  rm -f {name}
fi
"""
"""Memory that is given back keeps its content until somebody else gets it."""


async def write_secret(client: Client, user: str, name: str, data: bytes) -> None:
    """Have the guest's user read ``data`` in the file ``name``.

    :raises AgentError: when the guest cannot be reached, or refuses.
    """
    encoded, new = base64.b64encode(data).decode(), f".{name}.new"
    lines = (
        f"{_MOUNT}printf %s '{encoded}' | base64 -d >{new}",
        f"chown {shlex.quote(user)}: {new}",
        f"chmod 0400 {new}",
        f"{_REMOVE.format(name=name)}mv -f {new} {name}\n",
    )
    await _run(client, "\n".join(lines), name)


async def remove_secret(client: Client, name: str) -> None:
    """Overwrite the file and remove it; nothing where there is none.

    :raises AgentError: when the guest cannot be reached, or refuses.
    """
    await _run(client, f"cd {FOLDER} 2>/dev/null || exit 0\n{_REMOVE.format(name=name)}", name)


async def _run(client: Client, script: str, name: str) -> None:
    """What the guest's shell says of a failure is left out: it may quote the script."""
    try:
        answer = await client.run(script, timeout=_TIMEOUT, interpreter="sudo -n /bin/sh")
    except TimeoutError:
        raise AgentError(f"secrets: {name}: no answer of the guest within {_TIMEOUT:.0f} s.") from None
    if answer.status != 0:
        why = f"status {answer.status} of a script that sudo runs"
        raise AgentError(f"secrets: {name}: the guest cannot keep it in {FOLDER} ({why}).")
