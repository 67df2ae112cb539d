# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the sources of ``secrets`` before the hypervisor starts."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

from callao.config.schema import Secret
from callao.errors import CallaoError
from callao.secrets import SecretValue, header_value, read_secret


@dataclass(frozen=True)
class StartingValues:
    """``problems`` say which secrets have no value, and why."""

    values: dict[str, SecretValue] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def values_at_start(secrets: Sequence[Secret], environment: MutableMapping[str, str]) -> StartingValues:
    """The values of all secrets that have one. A source that is gone does not keep a machine from starting.

    :param environment: of this process; it loses the variables, which the hypervisor would inherit.
    """
    values: dict[str, SecretValue] = {}
    problems: list[str] = []
    for secret in secrets:
        try:
            value = read_secret(secret, environment)
            if value is not None and secret.inject:
                value = header_value(secret.name, value)
        except CallaoError as error:
            problems.append(f"{error} The guest starts without it.")
            continue
        if value is not None:
            values[secret.name] = value
        else:
            problems.append(
                f"secrets: {secret.name}: lima.yaml names no source of it: it has to be given again."
            )
    for secret in secrets:
        environment.pop(secret.env, None)
    return StartingValues(values, tuple(problems))
