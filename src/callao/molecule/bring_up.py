# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings up an instance by the engine directly, because a module would start another Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callao.config import merge
from callao.errors import ImageError
from callao.events import Reporter
from callao.host import Host, lima_home
from callao.lifecycle import Outcome, Request, ensure
from callao.offline import network_access

_KEYS = {
    "arch": "arch",
    "cpus": "cpus",
    "disk": "disk",
    "disks": "additionalDisks",
    "hostname": "hostname",
    "memory": "memory",
    "mounts": "mounts",
    "networks": "networks",
    "plain": "plain",
    "port_forwards": "portForwards",
    "provision": "provision",
    "ssh": "ssh",
    "user": "user",
    "vm_type": "vmType",
}
"""Options that correspond to one key of lima.yaml."""


def request_of(options: Mapping[str, Any]) -> Request:
    """The request of a platform's options, which mean the same as those of ``callao.lima.instance``.

    :raises CallaoError: when ``CALLAO_OFFLINE`` has an unknown value.
    """
    shortcuts = {key: options[option] for option, key in _KEYS.items() if option in options}
    return Request(
        name=options["name"],
        template=options.get("template"),
        config=merge([shortcuts, options["config"]]),
        labels=options["labels"],
        timeout=options.get("timeout", Request.timeout),
        warm=options.get("warm"),
        origin=options.get("from", ""),
        lock=Path(options["lock"]) if "lock" in options else None,
        access=network_access(options.get("offline")),
    )


@dataclass(frozen=True)
class BringUpResult:
    """The result for one instance: its outcome or its failure, and notices."""

    outcome: Outcome | None = None
    failure: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def bring_up(options: Mapping[str, Any], report: Reporter) -> Outcome:
    """Create and start the instance, or leave it as it is if the options say so.

    If its image cannot be fetched, a golden image replaces it where there is one for the template.

    :raises CallaoError: when the instance does not start.
    """
    request, home, host = request_of(options), lima_home(), Host.detect()
    try:
        return ensure(request, home=home, host=host, check=False, report=report)
    except ImageError as error:
        from callao.molecule.golden import with_golden_image

        instead = with_golden_image(request, error, home=home, host=host, report=report)
    return ensure(instead, home=home, host=host, check=False, report=report)
