# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``names``: what may be called what, and what is derived from a name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from callao.config import check_name, hostname_of, merge
from callao.templates import resolve
from support.corpus.host import ANA, filled
from support.corpus.verdict import Verdict, attempt, wanted_taken

_IMAGES: list[dict[str, str]] = [{"location": "/srv/disk.img"}]


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    kind, name = case["kind"], case["name"]

    def made() -> Any:
        if kind in ("instance", "hostname"):
            check_name(name)
            return hostname_of(name)
        if kind == "disk":
            filled(merge([{"images": _IMAGES, "additionalDisks": [name]}]))
        elif kind == "param":
            script = f"echo $PARAM_{name}"
            filled({"images": _IMAGES, "param": {name: "v"}, "provision": [{"script": script}]})
        elif kind == "interface":
            filled({"images": _IMAGES, "networks": [{"socket": "/run/s.sock", "interface": name}]})
        elif kind == "host-user":
            user = dataclasses.replace(ANA.user, name=name)
            return filled({"images": _IMAGES}, host=dataclasses.replace(ANA, user=user))["user"]["name"]
        else:
            return _instance_of(folder, name)
        return None

    given = attempt(made)
    value = case.get("hostname", case.get("user", case.get("instance")))
    return Verdict(wanted_taken(case), value, case.get("why", "")), given


def _instance_of(folder: Path, file: str) -> str:
    from callao.cli.commands.create import instance_name

    folder.mkdir(parents=True)
    path = folder / file
    path.write_text("images: [{location: /srv/disk.img}]\n", encoding="utf-8")
    name = instance_name(resolve(str(path), folder / "_home"))
    check_name(name)
    return name
