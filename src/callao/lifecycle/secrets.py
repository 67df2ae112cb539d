# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the values of ``secrets`` to a running instance, and lists them without values."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from callao.config.schema import Secret
from callao.errors import CallaoError
from callao.host import Host
from callao.instances import Instance, Status
from callao.instances.broken import require_config
from callao.lifecycle.decide import find_instance
from callao.lifecycle.request import Outcome, Request
from callao.secrets import SecretUnavailable, SecretValue, read_secret, source_of

_GIVE_TIMEOUT = 90.0
"""Seconds for the guest to write one."""

SecretReport = dict[str, str | bool]
"""``name``, ``source`` in words, whether it is ``given`` a value, and whether by ``inject``."""

ACTION = "give-secrets"
"""Among the actions of an outcome."""


def secrets_of(instance: Instance) -> list[SecretReport]:
    """What lima.yaml has, without values; one that does not run has given none.

    :raises InstanceBroken: when its lima.yaml cannot be parsed.
    :raises AgentError: when its host agent does not answer.
    """
    given = _given(instance) if instance.status is Status.RUNNING else set()
    return [
        {"name": each.name, "source": source_of(each), "given": each.name in given, "inject": each.inject}
        for each in require_config(instance).secrets
    ]


def give_secrets(
    instance: Instance, secrets: Sequence[Secret], values: dict[str, SecretValue], *, check: bool = False
) -> bool:
    """Give a running guest ``values``, and what the sources of the other ``secrets`` have now.

    :returns: whether one differs from what the guest had.
    :raises SecretUnavailable: for a source without a value; nothing is given then.
    :raises AgentError: when the guest cannot keep one.
    """
    wanted: dict[str, SecretValue] = {}
    for secret in secrets:
        value = values[secret.name] if secret.name in values else read_secret(secret, os.environ)
        if value is not None:
            wanted[secret.name] = value
    changed = [_give(instance, name, value, check=check) for name, value in wanted.items()]
    return any(changed)


def with_given_secrets(done: Outcome, request: Request, *, home: Path, host: Host, check: bool) -> Outcome:
    """The outcome of a request after its values, and those of sources that it has added, were given.

    :raises CallaoError: when a value is for no secret of the instance.
    """
    instance = find_instance(request.name, home, host)
    config = instance.config if instance is not None else None
    if instance is None or config is None:
        return done
    if not check:
        known = {each.name for each in config.secrets}
        if unknown := sorted(set(request.secret_values) - known):
            raise CallaoError(f"secrets: {', '.join(unknown)}: no such secret in lima.yaml.")
    if instance.status is not Status.RUNNING or not instance.ready:
        return done
    wanted = [each for each in config.secrets if each.name in request.secret_values]
    values = dict(request.secret_values)
    notices: list[str] = []
    if not check:
        missing = {str(each["name"]) for each in secrets_of(instance) if not each["given"]}
        for secret in config.secrets:
            if secret.name in values or secret.name not in missing or not (secret.file or secret.env):
                continue
            try:
                value = read_secret(secret, os.environ)
            except SecretUnavailable as error:  # as at a start: the rest of the request was carried out
                notices.append(f"{error} The guest goes on without it.")
                continue
            if value is not None:
                values[secret.name] = value
                wanted.append(secret)
    done = replace(done, notices=(*done.notices, *notices))
    if not wanted or not give_secrets(instance, wanted, values, check=check):
        return done
    return replace(done, changed=True, actions=(*done.actions, ACTION))


def _given(instance: Instance) -> set[str]:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    answer = call(instance.paths.ha_sock, *routes.LIST_SECRETS)
    return {each["name"] for each in answer["secrets"] if each["given"]}


def _give(instance: Instance, name: str, value: SecretValue, *, check: bool) -> bool:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    body = {"name": name, "value": b64encode(value.data).decode(), "check": check}
    answer = call(instance.paths.ha_sock, *routes.GIVE_SECRET, body=body, timeout=_GIVE_TIMEOUT)
    changed: bool = answer["changed"]
    return changed
