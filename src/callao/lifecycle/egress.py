# SPDX-License-Identifier: GPL-3.0-or-later
"""What limits the network of an instance's guest, and what was refused."""

from __future__ import annotations

from typing import Any

from callao.instances import Instance, Status
from callao.instances.broken import require_config

EgressReport = dict[str, Any]
"""``allow`` and ``log`` of the rules in effect; ``refusedTotal`` and ``refused`` since the start."""


def egress_of(instance: Instance) -> EgressReport | None:
    """None for an instance without limits. One that does not run has refused nothing.

    :raises InstanceBroken: when its lima.yaml cannot be parsed.
    :raises AgentError: when its host agent does not answer.
    """
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    if instance.status in (Status.RUNNING, Status.PAUSED):
        report: EgressReport | None = call(instance.paths.ha_sock, *routes.EGRESS)["egress"]
        return report
    rules = require_config(instance).egress
    if rules is None:
        return None
    return {"allow": list(rules.allow), "log": rules.log, "refusedTotal": 0, "refused": []}
