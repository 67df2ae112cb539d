# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao tunnel``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.options import Command
from callao.cli.session import Session, session
from callao.cli.terminal.output import echo, show_table, tell
from callao.errors import CallaoError
from callao.ssh.target import Target

if TYPE_CHECKING:
    from callao.ssh.tunnel import Tunnel  # loaded when there is something to do

_LOWEST = 1024
_HIGHEST = 65535


@click.command("tunnel", cls=Command)
@click.argument("instance", required=False, shell_complete=complete.instances)
@click.option("--type", "_kind", type=click.Choice(["socks"]), default="socks", help="Kind of the tunnel.")
@click.option("--socks-port", type=click.IntRange(0, _HIGHEST), default=0,
              help="The proxy's port, 1024 or higher; 0 is any free one.")  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay until interrupted.")
@click.option("--list", "show", is_flag=True, help="Show the open tunnels, of all instances or of one.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object a line.")
@click.option("--stop", is_flag=True, help="Close the instance's tunnels, or the one of --socks-port.")
def command(
    instance: str | None,
    _kind: str,
    socks_port: int,
    foreground: bool,
    show: bool,
    as_json: bool,
    stop: bool,
) -> None:
    """Open a SOCKS proxy into an instance's network.

    It stays open in the background until the instance stops. The host names and addresses that the guest
    knows can then be reached from the host:

    \b
      callao tunnel web
      curl --proxy socks5h://127.0.0.1:PORT http://lima-web.internal
      callao tunnel --list
      callao tunnel --stop web
    """
    if foreground + show + stop > 1:
        raise click.UsageError("--foreground, --list and --stop exclude each other.")
    if as_json and not show:
        raise click.UsageError("--json is for --list only.")
    if 0 < socks_port < _LOWEST:
        raise click.UsageError(
            f"--socks-port: {socks_port} is not allowed (allowed: 0, {_LOWEST} to {_HIGHEST})."
        )
    run = session()
    if show:
        found = _open_tunnels(run, instance)
        if as_json:
            _show_json(found)
        else:
            rows = [(name, each.url, str(each.pid)) for name, each in found]
            show_table([("INSTANCE", "PROXY", "PID"), *rows])
        return
    if instance is None:
        raise click.UsageError("Missing argument 'INSTANCE'.")
    target = ssh_to_running(existing_instance(run, instance))
    if stop:
        _stop(instance, target, socks_port)
    else:
        _open(instance, target, socks_port, foreground=foreground)


def _open(instance: str, target: Target, socks_port: int, *, foreground: bool) -> None:
    from callao.config.names import hostname_of
    from callao.ports import any_free, is_free
    from callao.ssh.tunnel import foreground_argv, open_tunnel, socks_url

    if socks_port and not is_free("tcp", "127.0.0.1", socks_port):
        raise click.UsageError(f"--socks-port: {socks_port} is taken.")
    port = socks_port or any_free()
    if not foreground:
        open_tunnel(target, port)
    echo(f"ALL_PROXY={socks_url(port)}")
    tell(
        f"Set this variable, or the browser's SOCKS proxy, and open http://{hostname_of(instance)}.internal"
    )
    if foreground:
        argv = foreground_argv(target, port)
        os.execvp(argv[0], argv)  # noqa: S606 - ssh takes our place, so that no signal leaves it behind


def _open_tunnels(run: Session, instance: str | None) -> list[tuple[str, Tunnel]]:
    """Each with its instance's name."""
    from callao.instances import instance_names
    from callao.ssh.tunnel import tunnels

    found: list[tuple[str, Tunnel]] = []
    for name in instance_names(run.home) if instance is None else [instance]:
        try:
            target = ssh_to_running(existing_instance(run, name))
        except CallaoError:
            if instance is not None:
                raise
            continue  # one that is stopped has none
        found += [(name, each) for each in tunnels(target)]
    return found


def _show_json(found: list[tuple[str, Tunnel]]) -> None:
    import json

    for name, each in found:
        entry = {"instance": name, "proxy": each.url, "port": each.port, "pid": each.pid}
        echo(json.dumps(entry, separators=(",", ":")))


def _stop(instance: str, target: Target, socks_port: int) -> None:
    from callao.ssh.tunnel import close_tunnel, tunnels

    found = [each for each in tunnels(target) if socks_port in (0, each.port)]
    for each in found:
        close_tunnel(target, each.port)
        tell(f"Closed the tunnel of {instance} at port {each.port}.")
    if not found:
        tell(f"{instance} has no open tunnel{f' at port {socks_port}' if socks_port else ''}.")
