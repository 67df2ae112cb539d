# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao guest-install``: Callao's program for the guest, installed anew in a running instance."""

from __future__ import annotations

import shlex
import subprocess

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, existing_instance
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.errors import CallaoError, InstanceError

_SCRIPT = """\
set -eu
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
cat >"$fresh"
sudo -n mkdir -p PREFIX/bin
sudo -n install -m 755 "$fresh" PREFIX/bin/lima-guestagent
if command -v systemctl >/dev/null; then
  sudo -n systemctl restart lima-guestagent.service
elif command -v rc-service >/dev/null; then
  sudo -n rc-service lima-guestagent restart
fi
"""
"""Reads the program from standard input. A file that runs is replaced, not written to, by install(1)."""

_TIMEOUT = 300.0
"""Seconds for all of it; an emulated guest on a busy host takes some."""


@click.command("guest-install", cls=Command)
@click.argument("instance", default=DEFAULT, shell_complete=complete.instances)
def command(instance: str) -> None:
    """Install Callao's program in a running guest anew.

    Each start does it, too. It is for guests that run since before Callao was upgraded, or that have lost
    the program.
    """
    from callao.guest.zipapp import zipapp_bytes

    found = existing_instance(session(), instance)
    client = ssh_to_running(found)
    if found.config is None or found.config.plain:
        raise InstanceError(
            f"instance {instance!r} is plain: it has none of Callao's programs.",
            hint=f"Change that at its next start: callao edit {instance} --plain=false",
        )
    prefix = found.config.guest_install_prefix
    script = _SCRIPT.replace("PREFIX", shlex.quote(prefix))
    argv = client.argv(command=["--", f"sh -c {shlex.quote(script)}"])
    try:
        done = subprocess.run(
            argv, input=zipapp_bytes(), stderr=subprocess.PIPE, check=False, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise CallaoError(
            f"{instance}: the guest did not install the program within {_TIMEOUT:.0f} s.",
            hint="Try again when it is less busy.",
        ) from None
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise CallaoError(
            f"{instance}: {prefix}/bin/lima-guestagent cannot be installed "
            f"(status {done.returncode}): {words}",
            hint="The user in the guest must be allowed to run sudo without a password.",
        )
    tell(f"Installed {prefix}/bin/lima-guestagent in {instance}.")
