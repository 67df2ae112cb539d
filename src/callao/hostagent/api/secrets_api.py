# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the secrets of the machine, and takes values of them. No answer has a value."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

import msgspec

from callao.errors import AgentError
from callao.hostagent import journal
from callao.hostagent.api import http, routes
from callao.hostagent.api.answers import GivenAnswer, SecretsAnswer
from callao.hostagent.secrets import GuestSecrets
from callao.secrets import checked


class GiveSecretRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``value`` is in base64. ``check``: whether only to tell if it is another value."""

    name: str
    value: str
    check: bool = False


@dataclass
class SecretsApi:
    """The handlers of ``/v1/secrets`` for one machine."""

    secrets: GuestSecrets

    def routes(self) -> http.Routes:
        return {routes.LIST_SECRETS: self._list, routes.GIVE_SECRET: self._give}

    async def _list(self, _request: http.Request) -> SecretsAnswer:
        return {"secrets": self.secrets.states()}

    async def _give(self, request: http.Request) -> GivenAnswer:
        try:
            given = msgspec.convert(request.body, GiveSecretRequest)
            value = checked(given.name, b64decode(given.value, validate=True), "the value")
        except (msgspec.ValidationError, binascii.Error):  # whose text may quote the request
            raise AgentError(f"{routes.GIVE_SECRET.path}: the body is not name, value and check.") from None
        if given.check:
            return {"changed": self.secrets.is_new(given.name, value)}
        return {"changed": await self.secrets.give(given.name, value, journal.notice)}
