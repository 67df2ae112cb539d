# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao info``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.session import Session, session
from callao.cli.terminal.coloured import in_colour
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import echo, show_values

if TYPE_CHECKING:
    from callao.config import Config
    from callao.host import Host


@click.command("info", cls=Command)
@click.argument("instance", required=False, shell_complete=complete.instances)
@click.option("--yq", "query", metavar="EXPRESSION", help="Print what a yq expression finds: '.vmTypes[]'.")
def command(instance: str | None, query: str | None) -> None:
    """Show facts about Callao and this host.

    With INSTANCE, what its host agent knows of the machine that runs; "listeners" tells whether the kernel
    there tells of them ("events"), or they are looked for ("looks"). "drivers" has what is against each
    driver: for its configuration with INSTANCE, else on this host. All comes as JSON.
    """
    run = session()
    facts = _of_host(run) if instance is None else _of_instance(run, instance)
    if query is None and in_colour():
        show_values([facts], "json")
    elif query is None:
        echo(json.dumps(facts, indent=2))
    else:
        from callao.config.yq_expression import evaluate_yq

        show_values(evaluate_yq(query, facts), "json")


def _of_instance(run: Session, name: str) -> dict[str, Any]:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call
    from callao.instances.index import indexed_instance
    from callao.instances.status import Status

    found = indexed_instance(name, run.home)
    facts: dict[str, Any] = {"name": name, "status": found.status.value, "dir": str(found.dir)}
    if not found.config.errors:
        facts["drivers"] = _drivers_of(found.paths.lima_yaml, run.host)
    if found.status not in (Status.RUNNING, Status.PAUSED):
        return facts
    answer = call(found.paths.ha_sock, *routes.INFO)
    return {**(answer if isinstance(answer, dict) else {}), **facts}


def _drivers_of(lima_yaml: Path, host: Host) -> dict[str, str]:
    """The host's drivers, the preferred one first, and what is against each; empty where nothing is."""
    from callao.config import load
    from callao.config.driver_choice import candidates

    document = load(lima_yaml.read_text(encoding="utf-8"), str(lima_yaml))
    return {each.vm_type.value: each.obstacle for each in candidates(document, host)}


def _drivers_here(template: Config) -> dict[str, str]:
    """Every driver, and what this host lacks for it; empty where that is nothing."""
    import msgspec

    from callao.drivers import all_drivers

    return {
        driver.features.vm_type.value: " ".join(
            driver.missing(msgspec.structs.replace(template, vm_type=driver.features.vm_type))
        )
        for driver in all_drivers()
    }


def _of_host(run: Session) -> dict[str, Any]:
    import callao.guest
    from callao.cli.arguments.environment import BLOCKED_VARIABLES
    from callao.cli.parsing import external
    from callao.cli_plugins import libexec_folders, share_folders
    from callao.config import Arch, effective, to_document
    from callao.config.lima_version import LIMA_VERSION
    from callao.drivers import driver_names
    from callao.host import identity_file
    from callao.templates import builtin_names, find, resolve

    document = resolve("default", run.home).document
    template = effective(document, run.host, name="default", instance_dir=run.home / "default")
    return {
        "version": LIMA_VERSION if run.dialect is Dialect.LIMACTL else callao.__version__,
        "limaVersion": LIMA_VERSION,
        "limaHome": str(run.home),
        "hostOS": run.host.os,
        "hostArch": run.host.arch,
        "vmTypes": driver_names(),
        "vmTypesEx": {name: {"location": "internal"} for name in driver_names()},
        "guestAgents": {each.value: {"location": str(Path(callao.guest.__file__).parent)} for each in Arch},
        "drivers": _drivers_here(template),
        "templates": [{"name": name, "location": find(name, run.home).location} for name in builtin_names()],
        "defaultTemplate": to_document(template),
        "identityFile": str(identity_file(run.home)),
        "programs": {
            name: shutil.which(name)
            for name in ("ssh", "scp", "rsync", "qemu-img", f"qemu-system-{run.host.arch}")
        },
        "shellEnvBlock": list(BLOCKED_VARIABLES),
        "plugins": [
            {"name": each.name, "path": str(each.path)}
            | ({"description": each.description} if each.description else {})
            for each in external.discover()
        ],
        "libexecPaths": [str(each) for each in libexec_folders() if os.path.isdir(each)],  # noqa: PTH112
        "sharePaths": [str(each) for each in share_folders() if os.path.isdir(each)],  # noqa: PTH112
    }
