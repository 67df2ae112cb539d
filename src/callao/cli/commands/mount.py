# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mount``: directories shared with a running instance."""

from __future__ import annotations

import json
import os

import click

from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.cli.terminal.output import echo


@click.group("mount", cls=CommandGroup)
def command() -> None:
    """Share directories with a running instance."""


@command.command("add", cls=Command)
@click.argument("instance")
@click.argument("location", metavar="HOST_DIR")
@click.argument("mount_point", metavar="[GUEST_DIR]", required=False)
@click.option("--type", "kind", help="virtiofs, 9p or reverse-sshfs (default: the instance's, if it can).")
@click.option("-w", "--writable", is_flag=True, help="Let the guest write.")
@click.option("--persist", is_flag=True, help="Keep it in lima.yaml for the next start.")
def add(
    instance: str, location: str, mount_point: str | None, kind: str | None, writable: bool, persist: bool
) -> None:
    """Mount a directory of the host in the guest, without a restart.

    \b
      callao mount add web ./src /srv/src --writable
    """
    from callao.lifecycle.mounts import MountRequest, ensure_mount

    run = session()
    request = MountRequest(
        instance=instance,
        location=os.path.abspath(os.path.expanduser(location)),  # noqa: PTH100, PTH111 - symlinks stay
        mount_point=mount_point or "",
        type=kind or "",
        writable=writable,
        persist=persist,
    )
    outcome = ensure_mount(request, home=run.home, host=run.host, check=False)
    assert outcome.after is not None
    done = "Mounted" if outcome.changed else "Mounted already:"
    kind = outcome.after.get("type", "")
    tell(f"{done} {outcome.after['location']} at {outcome.after['mountPoint']} ({kind}).")


@command.command("remove", cls=Command)
@click.argument("instance")
@click.argument("mount_point", metavar="GUEST_DIR")
@click.option("--persist", is_flag=True, help="Take it out of lima.yaml, too.")
def remove(instance: str, mount_point: str, persist: bool) -> None:
    """Unmount a directory in the guest, and take it away."""
    from callao.lifecycle.mounts import UNMOUNTED, MountRequest, ensure_mount

    run = session()
    request = MountRequest(instance=instance, mount_point=mount_point, state=UNMOUNTED, persist=persist)
    outcome = ensure_mount(request, home=run.home, host=run.host, check=False)
    tell(f"Unmounted {mount_point}." if outcome.changed else f"Nothing is mounted at {mount_point}.")


@command.command("list", cls=Command)
@click.argument("instance")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_mounts(instance: str, as_json: bool) -> None:
    """List what is shared with an instance."""
    from callao.lifecycle.mounts import mounts_of

    run = session()
    entries = mounts_of(existing_instance(run, instance))
    if as_json:
        for each in entries:
            echo(json.dumps(each))
        return
    for each in entries:
        access = "rw" if each["writable"] else "ro"
        origin = "now only" if each["hot"] else "lima.yaml"
        echo(f"{each['mountPoint']}\t{each['location']}\t{each['type']}\t{access}\t{origin}")
