# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that the cases are about, and what a document comes to there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callao.config import effective, load, to_document
from callao.host import Host, HostUser

HOME = Path("/home/ana/.lima")
ANA = Host(
    os="linux",
    arch="x86_64",
    cpus=2,
    memory=8 * 2**30,
    user=HostUser(name="ana", uid=1234, comment="Ana Quispe", home="/home/ana"),
    timezone="Etc/UTC",
    virtiofs=False,
)
BARE = "images: [{location: /srv/disk.img}]\n"


def filled(document: Mapping[str, object], *, host: Host = ANA, name: str = "x") -> dict[str, Any]:
    """The whole configuration that a document comes to, as lima.yaml has it."""
    home = Path(host.user.home) / ".lima"
    return to_document(effective(document, host, name=name, instance_dir=home / name))


def defaults() -> dict[str, Any]:
    """What a template has that says nothing but its image."""
    return filled(load(BARE, "bare"))
