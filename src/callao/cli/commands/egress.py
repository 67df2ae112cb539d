# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao egress``."""

from __future__ import annotations

import json

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.cli.terminal.output import echo


@click.command("egress", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(instance: str, as_json: bool) -> None:
    """Show what an instance may reach, and what was refused.

    Refused attempts since its start are listed, the latest first.

    \b
      callao edit web --set '.egress = {"allow": ["github.com:22,443"]}'
      callao egress web
    """
    from callao.lifecycle.egress import egress_of
    from callao.ports import join_host_port

    report = egress_of(existing_instance(session(), instance))
    if as_json:
        echo(json.dumps(report))
        return
    if report is None:
        tell(f"{instance} may reach whatever the host reaches: its lima.yaml has no egress.")
        return
    tell(f"Allowed: {', '.join(report['allow']) or 'nothing'}. Refused: {report['refusedTotal']} times.")
    for each in report["refused"]:
        address = join_host_port(each["address"], each["port"]) if each["port"] else each["address"]
        what = " ".join(filter(None, (each["name"], address))) or "-"
        echo(f"{each['last']}\t{each['count']}\t{each['protocol']}\t{what}\t{each['reason']}")
