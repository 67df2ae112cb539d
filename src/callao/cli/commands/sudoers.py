# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao sudoers``: the file that lets a group start the networks that need root, without a password."""

from __future__ import annotations

import click

from callao.cli.parsing.options import Command
from callao.cli.session import session
from callao.cli.terminal.output import echo, tell


@click.command("sudoers", cls=Command)
@click.argument("file", required=False, type=click.Path())
@click.option("--check", is_flag=True, help="Compare FILE, or the one in networks.yaml, with the text.")
@click.option("--install", is_flag=True, help="Have visudo check the text, and install it by sudo.")
@click.option("--program", is_flag=True, help="Write the program for Linux to FILE, for root to install.")
def command(file: str | None, check: bool, install: bool, program: bool) -> None:
    """Print or install the sudoers file for host networks.

    It lets the program run that carries the networks of modes shared, host and bridged.

    \b
      callao sudoers --program socket_vmnet
      sudo install -D -m 755 socket_vmnet /opt/socket_vmnet/bin/socket_vmnet
      callao sudoers --install
      callao sudoers --check
    """
    from callao.config.networks_yaml import ensure_networks_file, networks_file
    from callao.networks.vmnet.access import expected_text, must_be_secure, verify
    from callao.networks.vmnet.host_values import networks_of_host

    if check + install + program > 1:
        raise click.UsageError("--check, --install and --program exclude each other.")
    if file is not None and not (check or install or program):
        raise click.UsageError(f"FILE: {file!r} is for --check, --install and --program only.")
    if program:
        _write_program(file)
        return
    home = session().home
    ensure_networks_file(home)
    networks = networks_of_host(home)
    must_be_secure(networks, home)
    if install:
        from callao.networks.vmnet.install import ensure_sudoers

        outcome = ensure_sudoers(home, path=file, present=True, check=False)
        tell(f"Installed {outcome.path}." if outcome.changed else f"{outcome.path} is up to date.")
        return
    if not check:
        echo(expected_text(networks), nl=False)
        return
    target = file or networks.paths.sudoers
    if not target:
        raise click.UsageError(f"FILE is needed: {networks_file(home)} names no paths.sudoers.")
    verify(networks, target)
    echo(f"`{target}` is up-to-date (or sudo doesn't require a password)")


def _write_program(file: str | None) -> None:
    from pathlib import Path

    from callao.atomic import write_file
    from callao.networks.vmnet.linux.pack import program_bytes

    if file is None:
        raise click.UsageError("--program needs FILE, which it writes.")
    write_file(Path(file), program_bytes(), mode=0o755)
    tell(f"Wrote {file}. Install it at paths.socketVMNet of networks.yaml, as a file of root's.")
