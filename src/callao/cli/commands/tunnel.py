# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao tunnel``."""

from __future__ import annotations

import os

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell


@click.command("tunnel", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("--type", "_kind", type=click.Choice(["socks"]), default="socks", help="Kind of the tunnel.")
@click.option("--socks-port", type=click.IntRange(0, 65535), default=0,
              help="The proxy's port; 0 is any free one.")  # fmt: skip
def command(instance: str, _kind: str, socks_port: int) -> None:
    """Open a SOCKS proxy into an instance's network.

    It stays until it is interrupted. The host names and addresses that the guest knows can then be
    reached from the host:

    \b
      curl --proxy socks5h://127.0.0.1:PORT http://lima-web.internal
    """
    from callao.ports import any_free, is_free

    run = session()
    client = ssh_to_running(existing_instance(run, instance))
    if socks_port and not is_free("tcp", "127.0.0.1", socks_port):
        raise click.UsageError(f"--socks-port: {socks_port} is taken.")
    port = socks_port or any_free()
    tell(f"Open until interrupted. Set ALL_PROXY=socks5h://127.0.0.1:{port}")
    alone = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"]
    argv = client.argv(*alone, "-N", "-D", f"127.0.0.1:{port}")
    os.execvp(argv[0], argv)  # noqa: S606 - ssh takes our place, so that no signal leaves it behind
