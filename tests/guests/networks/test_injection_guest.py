# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that never enters a real guest: root in it uses the placeholder, and finds no value anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle.test_secrets_guest import files_with
from support.home import Home, build_golden, temporary_home
from support.https import HttpsServer

from callao.events import silent
from callao.instances import inspect
from callao.lifecycle.egress import egress_of
from callao.lifecycle.secrets import secrets_of
from callao.lifecycle.snapshots import operations
from callao.secrets import SecretValue

pytestmark = pytest.mark.guest

NAME = "named.test"
"""It leads to the host: the golden image's tests have it in hostResolver.hosts."""

_REQUESTS = """
import http.client, json, os, ssl, sys
port, other = int(sys.argv[1]), int(sys.argv[2])
token = open("/run/callao/secrets/TOKEN").read()
context = ssl.create_default_context(cafile="/run/callao/egress-ca.crt")
def ask(method="GET", path="/", body=None, context=context, port=port, **headers):
    try:
        client = http.client.HTTPSConnection("named.test", port, timeout=20, context=context)
        client.request(method, path, body, headers)
        answer = client.getresponse()
        return [answer.status, answer.read().decode()]
    except OSError as error:
        return [0, type(error).__name__]
found = [
    ask(Authorization="Bearer " + token),
    ask("POST", body=b"x" * 300000 + token.encode(), A=token),
    ask(path="/?token=" + token),
    ask(A=token, Host="evil.example"),
    ask(A=token, context=ssl._create_unverified_context(), port=other),
]
trusted = os.path.exists("/usr/sbin/update-ca-certificates")
found.append(ask(context=ssl.create_default_context()) if trusted else [200, "done"])
print(json.dumps([token, found]))
"""


class Box:
    def __init__(self, home: Home, server: HttpsServer, other: HttpsServer) -> None:
        self.home, self.server, self.other = home, server, other

    def ensure(self, value: bytes) -> Any:
        secret = {
            "name": "TOKEN",
            "inject": True,
            "hosts": [f"{NAME}:{self.server.port}"],
            "caFile": str(self.server.ca_file),
        }
        egress = {"allow": [f"{NAME}:{self.server.port},{self.other.port}"]}
        extra = {**self.home.direct(), "egress": egress, "secrets": [secret]}
        values = {"TOKEN": SecretValue(value)}
        return self.home.ensure("box", extra=extra, warm=True, timeout=600, secret_values=values)

    def requests(self) -> tuple[str, list[list[Any]]]:
        """As root; returns the placeholder, and the statuses and texts of the answers."""
        arguments = f"{self.server.port} {self.other.port}"
        done = self.home.ssh("box", f"sudo python3 - {arguments} <<'PYTHON'\n{_REQUESTS}\nPYTHON\n")
        assert done.returncode == 0, done.stderr
        placeholder, found = json.loads(done.stdout)
        return placeholder, found


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    servers = []
    for each in ("server", "other"):
        (tmp_path / each).mkdir(mode=0o700)
        servers.append(HttpsServer(tmp_path / each, NAME))
    with temporary_home(build_golden()) as home:
        yield Box(home, *servers)
    for server in servers:
        server.close()


def test_root_in_the_guest_uses_a_secret_that_it_never_has(box: Box) -> None:
    first, second = (f"value-{os.urandom(20).hex()}" for _ in range(2))
    box.ensure(first.encode())
    placeholder, found = box.requests()
    assert found[1][0] in (0, 403)  # as far as the answer comes before the reset
    assert [status for status, _ in found[:1] + found[2:]] == [200, 403, 421, 200, 200], found
    assert box.server.headers[0]["authorization"] == f"Bearer {first}"
    assert placeholder not in str(box.server.headers)
    assert first not in str(box.other.headers)

    # What was refused is listed, and another value is used from the next request on.
    report = egress_of(inspect("box", box.home.path, box.home.host))
    assert report is not None
    reasons = {each["reason"] for each in report["refused"] if each["protocol"] == "secret"}
    for words in ("in the body of a request", "in a URL", "the Host of the request"):
        assert any(words in each for each in reasons), reasons
    assert "give-secrets" in box.ensure(second.encode()).actions
    assert not box.ensure(second.encode()).changed
    box.requests()
    assert f"Bearer {second}" in [each.get("authorization") for each in box.server.headers]
    assert secrets_of(inspect("box", box.home.path, box.home.host))[0]["given"] is True

    # Its memory can be saved, and has the placeholder alone.
    operations.take("box", "memory", home=box.home.path, host=box.home.host, timeout=300, report=silent)
    assert any("memory" in each for each in files_with([placeholder], box.home.path))
    assert files_with([first, second], box.home.path) == []
