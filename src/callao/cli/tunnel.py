# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao tunnel``."""

from __future__ import annotations

import subprocess

import click

from callao.cli.existing import look
from callao.cli.options import Command
from callao.cli.reach import reachable
from callao.cli.session import session, tell


@click.command("tunnel", cls=Command)
@click.argument("instance")
@click.option("--socks-port", type=int, default=0, help="The proxy's port; 0 is any free one.")
def command(instance: str, socks_port: int) -> int:
    """Open a SOCKS proxy into an instance's network, until it is interrupted.

    The host names and addresses that the guest knows can then be reached from the host:

    \b
      curl --proxy socks5h://127.0.0.1:PORT http://lima-web.internal
    """
    from callao.ports import any_free, is_free

    run = session()
    client = reachable(look(run, instance))
    if socks_port and not is_free("tcp", "127.0.0.1", socks_port):
        raise click.UsageError(f"--socks-port: {socks_port} is taken.")
    port = socks_port or any_free()
    tell(f"Open until interrupted. Set ALL_PROXY=socks5h://127.0.0.1:{port}")
    alone = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"]
    try:
        return subprocess.run(client.argv(*alone, "-N", "-D", f"127.0.0.1:{port}"), check=False).returncode
    except KeyboardInterrupt:
        return 0
