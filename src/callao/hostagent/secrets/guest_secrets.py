# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of one running machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypedDict

from callao.config import Config
from callao.config.schema import Secret
from callao.errors import AgentError
from callao.hostagent.secrets.guest_files import remove_secret, write_secret
from callao.hostagent.secrets.injected import InjectedSecrets
from callao.hostagent.secrets.starting_values import StartingValues
from callao.secrets import SecretValue, header_value
from callao.ssh import Client


class SecretState(TypedDict):
    """``given``: whether there is a value: in the guest's file, or on the host where it is injected."""

    name: str
    given: bool


class GuestSecrets:
    """Keeps the values in memory, from their sources at the start or from what is given later."""

    def __init__(
        self,
        client: Client,
        config: Config,
        starting: StartingValues,
        lock: asyncio.Lock,
        injected: InjectedSecrets,
    ) -> None:
        """:param lock: held while the machine is saved, so that no value gets into its memory meanwhile."""
        self._client = client
        self._config = config
        self._values = dict(starting.values)
        self._problems = starting.problems
        self._injected = injected
        self._in_guest: set[str] = set()
        """Those whose files the guest has: values, and placeholders."""
        self._known_to_guest: set[str] = set()
        """All that the guest has had since it started: its programs may have read them."""
        self._lock = lock
        self._can_be_reached = False
        """Whether the guest has got those of its start."""

    async def put_all(self, notice: Callable[[str], None]) -> None:
        """Give the guest all that have a value, as it becomes ready; what has none is told.

        :raises AgentError: when the guest cannot keep one.
        """
        for problem in self._problems:
            notice(problem)
        async with self._lock:
            self._can_be_reached = True
            await self._inject(notice)
            for secret in self._config.secrets:
                value = self._values.get(secret.name)
                if value is not None and not secret.inject:
                    await self._put(secret.name, value)

    async def give(self, name: str, value: SecretValue, notice: Callable[[str], None]) -> bool:
        """Give another value; returns whether it is another one.

        :raises CallaoError: when lima.yaml has no such secret, the guest cannot keep it, or it cannot stand
            in a header.
        """
        async with self._lock:
            secret = self._secret(name)
            value = header_value(name, value) if secret.inject else value
            if not self.is_new(name, value):
                return False
            if secret.inject:
                self._values[name] = value
                await self._inject(notice)
            else:
                await self._put(name, value)
                self._values[name] = value
            return True

    def is_new(self, name: str, value: SecretValue) -> bool:
        """Whether it is another value than there is.

        :raises CallaoError: when lima.yaml has no such secret, or it cannot stand in a header.
        """
        value = header_value(name, value) if self._secret(name).inject else value
        return name not in self._in_guest or self._values.get(name) != value

    def _secret(self, name: str) -> Secret:
        found = next((each for each in self._config.secrets if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self._config.secrets) or "none"
            raise AgentError(f"secrets: {name!r} is not in lima.yaml (existing: {known}).")
        return found

    async def apply_config(self, config: Config, notice: Callable[[str], None]) -> None:
        """Remove what lima.yaml no longer has, or has from another source. Who has changed it gives the new
        values: they are in that process's environment.

        :raises AgentError: when the guest cannot be reached; or a ``caFile`` cannot be read, before anything
            is changed.
        """
        async with self._lock:
            if config.secrets == self._config.secrets:
                self._config = config
                return
            self._injected.check(config.secrets)
            new = {each.name: each for each in config.secrets}
            for each in self._config.secrets:
                if new.get(each.name) == each:
                    continue
                if each.name in self._in_guest:
                    await remove_secret(self._client, each.name)
                self._in_guest.discard(each.name)
                self._values.pop(each.name, None)
            self._config = config
            if self._can_be_reached:
                await self._inject(notice)

    def states(self) -> list[SecretState]:
        """Of all that lima.yaml has, in its order."""
        given = self._in_guest & self._values.keys()
        return [SecretState(name=each.name, given=each.name in given) for each in self._config.secrets]

    def refuse_save(self) -> None:
        """Refuse to save the machine's memory where a secret may be in it.

        Its removal would not be enough: a program that has read it has it in memory, too, and so have pages
        that the guest's kernel has taken back and not yet given to others.

        :raises AgentError: naming the secrets that the guest has had.
        """
        if self._known_to_guest:
            names = ", ".join(sorted(self._known_to_guest))
            raise AgentError(
                f"secrets: the memory of this machine may hold {names}, which a snapshot would write to the "
                "disk: the guest has had them since its start.",
                hint="Stop it first: a snapshot of its disk alone has none of them. One with inject: true "
                "is in no memory of the guest.",
            )

    async def _put(self, name: str, value: SecretValue) -> None:
        self._known_to_guest.add(name)
        await write_secret(self._client, self._config.user.name, name, value.data)
        self._in_guest.add(name)

    async def _inject(self, notice: Callable[[str], None]) -> None:
        """Have the host inject what it has values of, and the guest have the placeholders."""
        injected = [each for each in self._config.secrets if each.inject]
        if injected and not self._injected.is_possible:
            notice("secrets: inject takes effect at the next start, with the rules of egress.")
            return
        values = {each.name: self._values[each.name] for each in injected if each.name in self._values}
        self._injected.replace(injected, values)
        for each in injected:
            if each.name not in self._in_guest:
                await self._injected.have_trusted(notice)
                placeholder = self._injected.placeholder(each.name)
                await write_secret(self._client, self._config.user.name, each.name, placeholder)
                self._in_guest.add(each.name)
