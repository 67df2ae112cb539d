# SPDX-License-Identifier: GPL-3.0-or-later
"""Every route of the host agent's HTTP API, for server and clients; docs/protocols.md describes them."""

from __future__ import annotations

from typing import NamedTuple


class Route(NamedTuple):
    """A method and a path on ``ha.sock``."""

    method: str
    path: str


INFO = Route("GET", "/v1/info")
REFRESH = Route("POST", "/v1/refresh")
LIST_MOUNTS = Route("GET", "/v1/mounts")
ADD_MOUNT = Route("POST", "/v1/mounts")
REMOVE_MOUNT = Route("DELETE", "/v1/mounts")
LIST_FORWARDS = Route("GET", "/v1/port-forwards")
ADD_FORWARD = Route("POST", "/v1/port-forwards")
REMOVE_FORWARD = Route("DELETE", "/v1/port-forwards")
SCREENSHOT = Route("GET", "/v1/screenshot")
EGRESS = Route("GET", "/v1/egress")
LIST_SECRETS = Route("GET", "/v1/secrets")
GIVE_SECRET = Route("POST", "/v1/secrets")
SAVE = Route("POST", "/v1/save")
SWEEP_LAYERS = Route("POST", "/v1/layers/sweep")
