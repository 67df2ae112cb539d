# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao network``: the networks of networks.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface

import click

from callao.cli.arguments import complete
from callao.cli.parsing.group import LIST_AND_DELETE, CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session
from callao.cli.terminal.output import echo, show_table, tell, warn
from callao.errors import NetworkInUse


@click.group("network", cls=CommandGroup, verb_aliases=LIST_AND_DELETE)
def command() -> None:
    """Manage the networks that instances may be on."""


@command.command("list", cls=Command)
@click.argument("names", metavar="[NETWORK]...", nargs=-1, shell_complete=complete.networks)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_networks(names: tuple[str, ...], as_json: bool) -> None:
    """List networks."""
    from callao.config.networks_yaml import ensure_networks_file, read_networks
    from callao.networks.ensure import summary

    home = session().home
    ensure_networks_file(home)
    there = read_networks(home, lambda unknown: warn(str(unknown))).by_name
    for name in names:
        if name not in there:
            warn(f"No network matches {name!r}.")
    found = [summary(there[each]) for each in names or there if each in there]
    if as_json:
        import json

        for each in found:
            echo(json.dumps(each, separators=(",", ":")))
        return
    show_table([("NAME", "MODE", "GATEWAY", "INTERFACE"), *map(_row, found)])


@command.command("create", cls=Command)
@click.argument("name", metavar="NETWORK")
@click.option("--mode", default="user-v2", show_default=True, help="user-v2, host, shared or bridged.")
@click.option("--gateway", metavar="CIDR", help="Such as 192.168.42.1/24; not in mode bridged.")
@click.option("--interface", help="The host's, in mode bridged.")
def create(name: str, mode: str, gateway: str | None, interface: str | None) -> None:
    """Create a network.

    \b
      callao network create lab --gateway 192.168.42.1/24
      callao start --network lima:lab web
    """
    from callao.config.networks_yaml import ensure_networks_file
    from callao.networks.ensure import ensure_network
    from callao.networks.request import NetworkRequest

    home = session().home
    ensure_networks_file(home)
    request = NetworkRequest(
        name=name, mode=mode, gateway=gateway or None, interface=interface or None, new=True
    )
    outcome = ensure_network(request, home=home, check=False)
    for notice in outcome.notices:
        warn(notice)
    tell(f"Created network {name}.")


@command.command("delete", cls=Command)
@click.argument("names", metavar="NETWORK...", nargs=-1, required=True, shell_complete=complete.networks)
@click.option("-f", "--force", is_flag=True, help="Also a network that instances name.")
def delete(names: tuple[str, ...], force: bool) -> None:
    """Delete networks."""
    from callao.networks.ensure import ensure_network
    from callao.networks.request import NetworkRequest, NetworkState

    home, refused = session().home, False
    for name in names:
        request = NetworkRequest(name=name, state=NetworkState.ABSENT, force=force)
        try:
            outcome = ensure_network(request, home=home, check=False)
        except NetworkInUse as error:
            warn(f"{error.message} To delete it anyway: callao network delete --force {name}")
            refused = True
            continue
        for notice in outcome.notices:
            warn(notice)
        if outcome.before is None:
            warn(f"Network {name!r} does not exist.")
        elif outcome.changed:
            tell(f"Deleted network {name}.")
    if refused:
        click.get_current_context().exit(1)


def _row(each: Mapping[str, str]) -> tuple[str, ...]:
    gateway = str(IPv4Interface(f"{each['gateway']}/{each['netmask']}")) if "gateway" in each else "-"
    return each["name"], each["mode"], gateway, each.get("interface", "-")
