# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets that never enter the guest: their placeholders, and the authority that the guest trusts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from callao.config.rules_secrets import secret_host
from callao.config.schema import Secret
from callao.errors import AgentError
from callao.host import expand_user
from callao.hostagent.guest_root import run_as_root
from callao.hostagent.secrets.trust import CERTIFICATE, trust_script
from callao.secrets import SecretValue
from callao.ssh import Client

if TYPE_CHECKING:
    from callao.egress import EgressPoint
    from callao.egress.inject.authority import Authority

_TIMEOUT = 180.0
"""Seconds; an emulated guest reads all its certificates anew."""


class InjectedSecrets:
    """Of one machine. ``folder`` is its instance's."""

    def __init__(self, point: EgressPoint | None, client: Client, folder: Path) -> None:
        self._point, self._client, self._folder = point, client, folder
        self._authority: Authority | None = None
        self._trusted = False

    @property
    def is_possible(self) -> bool:
        """Whether the machine was started with rules of egress."""
        return self._point is not None

    def check(self, secrets: Iterable[Secret]) -> None:
        """:raises AgentError: when a ``caFile`` cannot be read."""
        for each in secrets:
            _readable(each)

    def placeholder(self, name: str) -> bytes:
        """What the guest has in place of the value; the same as long as the instance has its authority."""
        from callao.egress.inject.substitution import placeholder_of

        return placeholder_of(self._of_this_instance().private_bytes(), name)

    def replace(self, secrets: Iterable[Secret], values: Mapping[str, SecretValue]) -> None:
        """Put these into requests from now on.

        :raises AgentError: when a ``caFile`` cannot be read.
        """
        if self._point is None:
            return
        from callao.egress.inject import Injection

        injections = [
            Injection(
                name=each.name,
                placeholder=self.placeholder(each.name),
                hosts=frozenset(found for host in each.hosts if (found := secret_host(host)) is not None),
                value=values.get(each.name),
                ca_file=_readable(each),
            )
            for each in secrets
        ]
        self._point.inject(injections, self._of_this_instance)

    async def have_trusted(self, notice: Callable[[str], None]) -> None:
        """Have the guest's programs trust the authority, as far as they ask the system."""
        if self._trusted:
            return
        script = trust_script(self._of_this_instance().pem)
        try:
            await run_as_root(
                self._client, script, "secrets: the instance's certificate authority", _TIMEOUT
            )
        except AgentError as error:
            notice(f"{error} Programs of the guest have to be told to trust {CERTIFICATE}.")
        self._trusted = True

    def _of_this_instance(self) -> Authority:
        if self._authority is None:
            from callao.egress.inject.authority import Authority

            self._authority = Authority.of(self._folder)
        return self._authority


def _readable(secret: Secret) -> str:
    if not secret.ca_file:
        return ""
    from callao.egress.inject.authority import client_context

    path = str(expand_user(secret.ca_file))
    try:
        client_context(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it has no certificate in PEM"
        raise AgentError(f"secrets: {secret.name}: caFile {secret.ca_file}: {reason}.") from None
    return path
