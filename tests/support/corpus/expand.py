# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``expand``: one text of a template, with its references replaced."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from callao.config import effective, load, message, to_document
from callao.host import Host, HostUser
from support.corpus.host import ANA
from support.corpus.verdict import Verdict, attempt, wanted, wanted_taken

_AS_IT_STANDS = ("script", "content", "expression")


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    facts = case.get("facts", {})
    host, name = _host(facts), facts.get("name", "x")
    directory = Path(facts.get("env", {}).get("LIMA_HOME") or f"{host.user.home}/.lima") / name
    field = case["field"]

    def made() -> Any:
        config = effective(load(case["yaml"], "x.yaml"), host, name=name, instance_dir=directory)
        if field == "message":
            return message(config, host, name=name, instance_dir=directory)
        value: Any = to_document(config)
        for part in field.split("."):
            value = value[int(part)] if part.isdigit() else value.get(part, "")
        if field.endswith("hostSocket") and not value.startswith("/"):
            return f"{directory}/sock/{value}"
        return value

    before = dict(os.environ)
    os.environ.update({"HOME": host.user.home, **facts.get("env", {})})
    try:
        given = attempt(made)
    finally:
        os.environ.clear()
        os.environ.update(before)
    refusable = bool(case.get("error")) and field.rpartition(".")[2] not in _AS_IT_STANDS
    return Verdict(wanted_taken(case), wanted(case, "expected"), case.get("why", ""), refusable), given


def _host(facts: dict[str, Any]) -> Host:
    """The home directory is what ``HOME`` says; see Host.detect()."""
    user, environment = ANA.user, facts.get("env", {})
    if "user" in facts:
        user = HostUser(facts["user"], facts["uid"], facts.get("comment", ""), facts["home"])
    user = replace(user, home=environment.get("HOME", user.home))
    return replace(ANA, user=user, temporary=environment.get("TMPDIR", ANA.temporary))
