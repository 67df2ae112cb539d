# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret that never enters a real guest: root in it uses the placeholder, and finds no value anywhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import files
from typing import Any

import pytest
from lifecycle.test_secrets_guest import files_with
from support.home import Golden, Home, temporary_home
from support.http2 import Http2Server
from support.https import HttpsServer

from callao.events import silent
from callao.instances import inspect
from callao.lifecycle.egress import egress_of
from callao.lifecycle.secrets import secrets_of
from callao.lifecycle.snapshots import operations
from callao.secrets import SecretValue
from callao.ssh.target import Target
from callao.testing import Guest

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


_HTTP2_REQUESTS = """
import json, socket, ssl, sys
sys.path.insert(0, sys.argv[1])
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
ours, another = map(int, sys.argv[2:])
token = open("/run/callao/secrets/TOKEN").read()
def converse(port, requests):
    context = ssl.create_default_context(cafile="/run/callao/egress-ca.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = socket.create_connection(("named.test", port), 20)
    client = context.wrap_socket(client, server_hostname="named.test")
    assert client.selected_alpn_protocol() == "h2"
    http, found, unsent = H2Connection(H2Configuration()), {}, {}
    http.initiate_connection()
    for authority, body, headers in requests:
        stream = http.get_next_available_stream_id()
        first = {":method": "POST" if body else "GET", ":scheme": "https", ":path": "/",
                 ":authority": "%s:%d" % (authority, port)}
        http.send_headers(stream, [*first.items(), *headers.items()], end_stream=not body)
        found[stream], unsent[stream] = [0, ""], body
    ended = set()
    while len(ended) < len(found):
        for stream, body in unsent.items():
            while body and stream not in ended:
                size = min(http.local_flow_control_window(stream), http.max_outbound_frame_size, len(body))
                if size <= 0:
                    break
                http.send_data(stream, body[:size], end_stream=size == len(body))
                body = unsent[stream] = body[size:]
        client.sendall(http.data_to_send())
        data = client.recv(1 << 16)
        if not data:
            break
        for event in http.receive_data(data):
            if isinstance(event, ResponseReceived):
                found[event.stream_id][0] = int(dict(event.headers)[b":status"])
            elif isinstance(event, DataReceived):
                found[event.stream_id][1] += event.data.decode()
                http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (StreamEnded, StreamReset)):
                ended.add(event.stream_id)
    return list(found.values())
found = converse(ours, [
    ("named.test", b"", {"authorization": "Bearer " + token}),
    ("named.test", bytes(300000), {"a": token}),
    ("named.test", b"x" * 100000 + token.encode(), {"b": token}),
    ("evil.example", b"", {"c": token}),
])
print(json.dumps([token, found + converse(another, [("named.test", b"", {"d": token})])]))
"""


def http2_library() -> bytes:
    """The library of HTTP/2 for the guest's Python, as an archive to import from."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for each in [file for name in ("h2", "hpack", "hyperframe") for file in files(name) or ()]:
            if each.suffix == ".py":
                packed.write(each.locate(), str(each))
    return archive.getvalue()


@dataclass(frozen=True)
class Servers:
    """``http2`` gets the secret, as ``one`` does; ``another`` gets another one, ``other`` none."""

    one: HttpsServer
    other: HttpsServer
    http2: Http2Server
    another: Http2Server

    def close(self) -> None:
        for each in (self.one, self.other, self.http2, self.another):
            each.close()


@dataclass
class Box:
    home: Home
    servers: Servers
    values: list[str] = field(default_factory=list)
    """All that it was ever given."""

    def give(self, value: str) -> Any:
        """Have the guest run with this value for its secret."""
        at = self.servers
        self.values += [value]
        common = {"inject": True, "caFile": str(at.one.ca_file)}
        secrets = [
            {**common, "name": "TOKEN", "hosts": [f"{NAME}:{each.port}" for each in (at.one, at.http2)]},
            {**common, "name": "ANOTHER", "hosts": [f"{NAME}:{at.another.port}"]},
        ]
        ports = ",".join(str(each.port) for each in (at.one, at.other, at.http2, at.another))
        extra = {**self.home.direct(), "egress": {"allow": [f"{NAME}:{ports}"]}, "secrets": secrets}
        values = {"TOKEN": SecretValue(value.encode()), "ANOTHER": SecretValue(b"another")}
        return self.home.ensure("box", extra=extra, warm=True, timeout=600, secret_values=values)

    def requests(self) -> tuple[str, list[list[Any]]]:
        """As root; returns the placeholder, and the statuses and texts of the answers."""
        return self._root(_REQUESTS, self.servers.one.port, self.servers.other.port)

    def http2_requests(self) -> tuple[str, list[list[Any]]]:
        path = "/var/tmp/http2.zip"
        target = Guest("box", self.home.path)
        argv = Target(target.paths.ssh_config, target.alias).argv(command=[f"cat >{path}"])
        subprocess.run(argv, input=http2_library(), check=True, timeout=60)
        return self._root(_HTTP2_REQUESTS, path, self.servers.http2.port, self.servers.another.port)

    def _root(self, script: str, *arguments: object) -> tuple[str, list[list[Any]]]:
        words = " ".join(map(str, arguments))
        done = self.home.ssh("box", f"sudo python3 - {words} <<'PYTHON'\n{script}\nPYTHON\n")
        assert done.returncode == 0, done.stderr
        placeholder, found = json.loads(done.stdout)
        return placeholder, found

    def reasons(self) -> list[str]:
        """Why something of a secret was refused."""
        report = egress_of(inspect("box", self.home.path, self.home.host))
        assert report is not None
        return [each["reason"] for each in report["refused"] if each["protocol"] == "secret"]


@pytest.fixture(scope="module")
def box(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    ours, others = (tmp_path_factory.mktemp(each) for each in ("ours", "others"))
    servers = Servers(
        HttpsServer(ours, NAME), HttpsServer(others, NAME), Http2Server(ours, NAME), Http2Server(ours, NAME)
    )
    with temporary_home(golden) as home:
        yield Box(home, servers)
    servers.close()


def fresh_value() -> str:
    return f"value-{os.urandom(20).hex()}"


def test_requests_and_uploads_by_http2_get_the_secret_and_no_other_server_does(box: Box) -> None:
    value = fresh_value()
    box.give(value)
    placeholder, found = box.http2_requests()
    assert found[:2] == [[200, "done"], [200, "done"]]
    assert found[2][0] in (0, 403)  # as far as the answer comes before the reset
    assert [status for status, _ in found[3:]] == [421, 403], found
    first, upload = box.servers.http2.requests[:2]
    assert first.headers["authorization"] == f"Bearer {value}"
    assert (upload.headers["a"], upload.size, upload.has_ended) == (value, 300000, True)
    assert not any(each.has_ended for each in box.servers.http2.requests[2:])
    assert box.servers.another.requests == []
    assert placeholder not in str(box.servers.http2.requests)
    reasons = box.reasons()
    for words in ("in the body of a request", "the Host of the request", "a server that does not get it"):
        assert any(words in each for each in reasons), reasons


def test_root_in_the_guest_uses_a_secret_that_it_never_has(box: Box) -> None:
    first, second = fresh_value(), fresh_value()
    box.give(first)
    placeholder, found = box.requests()
    assert found[1][0] in (0, 403)  # as far as the answer comes before the reset
    assert [status for status, _ in found[:1] + found[2:]] == [200, 403, 421, 200, 200], found
    assert box.servers.one.headers[0]["authorization"] == f"Bearer {first}"
    assert placeholder not in str(box.servers.one.headers)
    assert first not in str(box.servers.other.headers)

    # What was refused is listed, and another value is used from the next request on.
    reasons = box.reasons()
    for words in ("in the body of a request", "in a URL", "the Host of the request"):
        assert any(words in each for each in reasons), reasons
    assert "give-secrets" in box.give(second).actions
    assert not box.give(second).changed
    box.requests()
    assert f"Bearer {second}" in [each.get("authorization") for each in box.servers.one.headers]
    assert secrets_of(inspect("box", box.home.path, box.home.host))[0]["given"] is True

    # Its memory can be saved, and has the placeholder alone.
    operations.take("box", "memory", home=box.home.path, host=box.home.host, timeout=300, report=silent)
    assert any("memory" in each for each in files_with([placeholder], box.home.path))
    assert files_with(box.values, box.home.path) == []
