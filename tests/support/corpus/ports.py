# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``ports``: where a listener of the guest comes to be on the host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from callao.config import effective, load
from callao.config.schema import PortForward
from callao.ports import Listener, Ruleset, wanted_forwards
from support.corpus.host import ANA, BARE, HOME
from support.corpus.verdict import Verdict, attempt


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    expected = case["callao"] if case.get("keep") else case["expected"]
    given = attempt(lambda: _host_side(case))
    return Verdict(expected != "refused", expected), given


def _host_side(case: dict[str, Any]) -> str | None:
    listener = Listener(case["listener"]["proto"], case["listener"]["ip"], case["listener"]["port"])
    found = wanted_forwards(Ruleset(_rules(case["rules"]), case["ssh_port"]), [listener])
    if not found:
        return None
    if found[0].host_socket:
        return str(HOME / "x" / "sock" / found[0].host_socket)
    host = found[0].host_ip
    return f"[{host}]:{found[0].host_port}" if ":" in host else f"{host}:{found[0].host_port}"


@cache
def _rules(text: str) -> tuple[PortForward, ...]:
    document = load(f"{BARE}portForwards: {text}\n", "x.yaml")
    return effective(document, ANA, name="x", instance_dir=HOME / "x").port_forwards
