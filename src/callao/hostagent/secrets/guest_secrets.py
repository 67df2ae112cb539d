# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of one running machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypedDict

from callao.config import Config
from callao.errors import AgentError
from callao.hostagent.secrets.guest_files import remove_secret, write_secret
from callao.hostagent.secrets.starting_values import StartingValues
from callao.secrets import SecretValue
from callao.ssh import Client


class SecretState(TypedDict):
    """``given``: whether there is a value, in the guest's file."""

    name: str
    given: bool


class GuestSecrets:
    """Keeps the values in memory, from their sources at the start or from what is given later."""

    def __init__(self, client: Client, config: Config, starting: StartingValues, lock: asyncio.Lock) -> None:
        """:param lock: held while the machine is saved, so that no value gets into its memory meanwhile."""
        self._client = client
        self._config = config
        self._values = dict(starting.values)
        self._problems = starting.problems
        self._in_guest: set[str] = set()
        self._known_to_guest: set[str] = set()
        """All that the guest has had since it started: its programs may have read them."""
        self._lock = lock

    async def put_all(self, notice: Callable[[str], None]) -> None:
        """Give the guest all that have a value, as it becomes ready; what has none is told.

        :raises AgentError: when the guest cannot keep one.
        """
        for problem in self._problems:
            notice(problem)
        async with self._lock:
            for secret in self._config.secrets:
                if (value := self._values.get(secret.name)) is not None:
                    await self._put(secret.name, value)

    async def give(self, name: str, value: SecretValue) -> bool:
        """Give the guest another value; returns whether it is another one.

        :raises AgentError: when lima.yaml has no such secret, or the guest cannot keep it.
        """
        async with self._lock:
            if not self.is_new(name, value):
                return False
            await self._put(name, value)
            self._values[name] = value
            return True

    def is_new(self, name: str, value: SecretValue) -> bool:
        """Whether it is another value than the guest has.

        :raises AgentError: when lima.yaml has no such secret.
        """
        known = [each.name for each in self._config.secrets]
        if name not in known:
            raise AgentError(
                f"secrets: {name!r} is not in lima.yaml (existing: {', '.join(known) or 'none'})."
            )
        return name not in self._in_guest or self._values.get(name) != value

    async def apply_config(self, config: Config) -> None:
        """Remove what lima.yaml no longer has, or has from another source. Who has changed it gives the new
        values: they are in that process's environment.

        :raises AgentError: when the guest cannot be reached.
        """
        async with self._lock:
            sources = {each.name: each for each in config.secrets}
            for each in self._config.secrets:
                if sources.get(each.name) == each:
                    continue
                if each.name in self._in_guest:
                    await remove_secret(self._client, each.name)
                self._in_guest.discard(each.name)
                self._values.pop(each.name, None)
            self._config = config

    def states(self) -> list[SecretState]:
        """Of all that lima.yaml has, in its order."""
        return [
            SecretState(name=each.name, given=each.name in self._in_guest) for each in self._config.secrets
        ]

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
                hint="Stop it first: a snapshot of its disk alone has none of them.",
            )

    async def _put(self, name: str, value: SecretValue) -> None:
        self._known_to_guest.add(name)
        await write_secret(self._client, self._config.user.name, name, value.data)
        self._in_guest.add(name)
