# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao info``."""

from __future__ import annotations

import json
import shutil

import click

from callao.cli.options import Command
from callao.cli.output import echo
from callao.cli.session import session


@click.command("info", cls=Command)
def command() -> None:
    """Show facts about Callao and this host.

    They come as JSON.
    """
    import callao
    from callao.cli import external
    from callao.cli.preserve import BLOCKED
    from callao.config import effective, to_document
    from callao.config.age import LIMA_VERSION
    from callao.drivers import known
    from callao.host import identity_file
    from callao.templates import find, names, resolve

    run = session()
    document = resolve("default", run.home).document
    template = effective(document, run.host, name="default", instance_dir=run.home / "default")
    facts = {
        "version": callao.__version__,
        "limaVersion": LIMA_VERSION,
        "limaHome": str(run.home),
        "hostOS": run.host.os,
        "hostArch": run.host.arch,
        "vmTypes": known(),
        "templates": [{"name": name, "location": find(name, run.home).location} for name in names()],
        "defaultTemplate": to_document(template),
        "identityFile": str(identity_file(run.home)),
        "programs": {
            name: shutil.which(name)
            for name in ("ssh", "scp", "rsync", "qemu-img", f"qemu-system-{run.host.arch}")
        },
        "shellEnvBlock": list(BLOCKED),
        "plugins": [
            {"name": each.name, "path": str(each.path), "description": each.description}
            for each in external.discover()
        ],
    }
    echo(json.dumps(facts, indent=2))
