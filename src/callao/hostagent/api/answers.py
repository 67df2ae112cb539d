# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON objects that the host agent's HTTP API returns; docs/protocols.md describes them."""

from __future__ import annotations

from typing import TypedDict

from callao.hostagent.secrets.guest_secrets import SecretState


class InfoAnswer(TypedDict):
    instanceName: str
    sshLocalPort: int
    hostAgentPID: int
    driverPID: int
    vmType: str
    ready: bool
    timings: dict[str, float]
    forwards: list[list[str | int]]
    listeners: dict[str, str]


"""The first two are Lima's; ``driverPID`` is 0 while no hypervisor runs."""


class RefreshAnswer(TypedDict):
    """The notices of a reload of lima.yaml."""

    notices: list[str]


class EgressAnswer(TypedDict):
    """``allow``, ``log``, ``refusedTotal`` and ``refused``; None for a guest without limits."""

    egress: dict[str, object] | None


class SecretsAnswer(TypedDict):
    """``name`` and ``given`` of each secret."""

    secrets: list[SecretState]


class GivenAnswer(TypedDict):
    """Whether it is another value than the guest had."""

    changed: bool


class ForwardsAnswer(TypedDict):
    """``forwards`` are in effect, ``failed`` are not and have an ``error``, ``rules`` were added live."""

    forwards: list[dict[str, str | int]]
    failed: list[dict[str, str | int]]
    rules: list[dict[str, object]]


class EmptyAnswer(TypedDict):
    """The request was carried out, and returns no data."""
