# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao disk``: disks that instances list in ``additionalDisks``, and that outlive them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.parsing.group import LIST_AND_DELETE, CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session
from callao.cli.terminal.output import echo, show_table, tell, warn
from callao.errors import DiskError, DiskInUse, DiskNotFound, DiskReferenced

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


_name = click.argument("name", metavar="DISK", shell_complete=complete.disks)
_names = click.argument("names", metavar="DISK...", nargs=-1, required=True, shell_complete=complete.disks)
_size = click.option("--size", required=True, metavar="SIZE", help="Such as 10GiB; a bare number is bytes.")


@click.group("disk", cls=CommandGroup, verb_aliases=LIST_AND_DELETE)
def command() -> None:
    """Manage disks that outlive instances."""


@command.command("create", cls=Command)
@click.argument("name", metavar="DISK")
@_size
@click.option("--format", "form", default="qcow2", show_default=True, help="qcow2 or raw.")
def create(name: str, size: str, form: str) -> None:
    """Create an empty disk.

    \b
      callao disk create data --size 10GiB
    """
    from callao.disks import change

    run = session()
    bytes_, wanted = change.size_of(size, "--size"), change.form_named(form, "--format")
    made = change.create(name, run.home, size=bytes_, form=wanted)
    tell(f"Created {made.format} disk {name} with {in_units(made.size)}.")


@command.command("list", cls=Command)
@click.argument("names", metavar="[DISK]...", nargs=-1, shell_complete=complete.disks)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_disks(names: tuple[str, ...], as_json: bool) -> None:
    """List disks, and the instances that have them."""
    from callao import disks

    home = session().home
    there = disks.names(home)
    for name in names:
        if name not in there:
            warn(f"No disk matches {name!r}.")
    found = []
    for name in [each for each in dict.fromkeys(names) if each in there] if names else there:
        try:
            found.append(disks.inspect(name, home).summary())
        except DiskError as error:
            warn(str(error))
    if as_json:
        import json

        for each in found:
            echo(json.dumps(each, separators=(",", ":")))
        return
    show_table([("NAME", "SIZE", "FORMAT", "DIR", "IN-USE-BY"), *map(_row, found)])
    if not found:
        tell("There is no such disk. Create one: callao disk create DISK --size SIZE")


@command.command("delete", cls=Command)
@_names
@click.option("-f", "--force", is_flag=True, help="Also a disk that an instance has, or lists.")
def delete(names: tuple[str, ...], force: bool) -> None:
    """Delete disks with their content."""
    from callao.disks import change

    run = session()
    for name in names:
        try:
            change.delete(name, run.home, force=force)
        except DiskNotFound:
            warn(f"Disk {name!r} does not exist.")
        except DiskReferenced as error:
            warn(f"{error.message} To delete it anyway: callao disk delete --force {name}")
        else:
            tell(f"Deleted disk {name}.")


@command.command("unlock", cls=Command)
@_names
def unlock(names: tuple[str, ...]) -> None:
    """Free disks whose instance ended without freeing them."""
    from callao.disks import change

    run = session()
    for name in names:
        try:
            was_in_use = change.unlock(name, run.home)
        except (DiskNotFound, DiskInUse) as error:
            warn(str(error))
        else:
            tell(f"Unlocked disk {name}." if was_in_use else f"Disk {name} is not locked.")


@command.command("resize", cls=Command)
@_name
@_size
def resize(name: str, size: str) -> None:
    """Grow a disk; the guest's file system grows at the next start."""
    from callao.disks import change

    run = session()
    made = change.resize(name, run.home, size=change.size_of(size, "--size"))
    tell(f"Disk {name} has {in_units(made.size)}.")


@command.command("import", cls=Command)
@click.argument("name", metavar="DISK")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--format", "form", help="qcow2 or raw (default: the file's own).")
def import_disk(name: str, file: Path, form: str | None) -> None:
    """Create a disk with the content of an image, qcow2 or raw."""
    from callao.disks import change

    run = session()
    wanted = None if form is None else change.form_named(form, "--format")
    made = change.import_file(name, run.home, file, form=wanted)
    tell(f"Imported {made.format} disk {name} with {in_units(made.size)}.")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return each["name"], in_units(each["size"]), each["format"], each["dir"], each["instance"]


def in_units(size: int) -> str:
    """With four significant digits, as docker/go-units' BytesSize has them."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.4g}{_UNITS[unit]}"
