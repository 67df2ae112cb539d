# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker, Podman and containerd of Debian's packages in one guest, which the collection's role sets up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.engines import (
    NAME,
    Engines,
    eventually,
    foreign_program,
    image_folder,
    info,
    page,
    running_engines,
    udp_answer,
)

from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward
from callao.ports import any_free

pytestmark = [pytest.mark.guest, pytest.mark.long]

ROUNDS = 100
"""Containers that publish one port, one after another."""

ENGINES = ("docker", "podman", "rootful")

ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 53))
    while True:
        data, peer = server.recvfrom(2048)
        server.sendto(b"echo " + data, peer)
"""


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with running_engines() as found:
        found.play()
        context = image_folder(found, foreign=foreign_program())
        (context / "echo.py").write_text(ECHO)
        for engine in ENGINES:
            found.docker(engine, "build", "--tag", "hand", str(context))
        yield found


def test_the_role_sets_up_all_engines_once(engines: Engines) -> None:
    assert "changed=0" in engines.play()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_asked_by_its_socket_on_the_host(engines: Engines, engine: str) -> None:
    found = info(engines, engine)
    assert found["Name"] == engines.run("hostname")
    rootless = [each for each in found["SecurityOptions"] if "rootless" in each]
    assert bool(rootless) is (engine != "rootful")


def test_containerd_runs_without_root(engines: Engines) -> None:
    pid = '"$(cat "$XDG_RUNTIME_DIR"/containerd-rootless/child_pid)"'
    ctr = 'ctr --address "$XDG_RUNTIME_DIR"/containerd/containerd.sock version'
    inside = f"nsenter --user --preserve-credentials --mount --net --target {pid} {ctr}"
    said = engines.run(
        f"export XDG_RUNTIME_DIR=/run/user/$(id -u); {inside}; pgrep -u 0 -x containerd; true"
    )
    assert "Server:" in said


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("address", ["127.0.0.1:", ""])
def test_a_published_port_is_on_the_hosts_loopback(engines: Engines, engine: str, address: str) -> None:
    port = any_free()
    engines.docker(engine, "run", "--detach", "--name=web", f"--publish={address}{port}:80", "hand")
    try:
        assert eventually(lambda: page(port)) == "by hand"
        with pytest.raises(OSError, match="refused"):
            page(port, "127.0.0.2")
    finally:
        engines.docker(engine, "rm", "--force", "web")


def test_a_rule_publishes_one_on_every_address_of_the_host(engines: Engines) -> None:
    publish = f"--publish={engines.everywhere}:80"
    engines.docker("docker", "run", "--detach", "--name=web", publish, "hand")
    try:
        assert eventually(lambda: page(engines.everywhere, "127.0.0.2")) == "by hand"
    finally:
        engines.docker("docker", "rm", "--force", "web")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_published_port_of_udp_too(engines: Engines, engine: str) -> None:
    port = any_free()
    options = ("--detach", "--name=web", f"--publish={port}:53/udp", "--volume=/usr:/usr:ro")
    engines.docker(engine, "run", *options, "hand", "/usr/bin/python3", "/echo.py")
    try:
        assert eventually(lambda: udp_answer(port)) == "echo hello"
    finally:
        engines.docker(engine, "rm", "--force", "web")


def test_each_container_on_one_port_answers_for_itself(engines: Engines) -> None:
    port = any_free()
    serve = "echo {0} >/www/index.html; exec /bin/busybox httpd -f -p 80 -h /www"
    options = ("--detach", "--name=web", f"--publish={port}:80")
    for number in range(ROUNDS):
        command = ("/bin/busybox", "sh", "-c", serve.format(number))
        engines.docker("docker", "run", *options, "hand", *command)
        assert eventually(lambda: page(port)) == str(number)
        engines.docker("docker", "rm", "--force", "web")


def test_a_foreign_program_runs_in_the_guest_and_in_a_container(engines: Engines) -> None:
    engines.copy_to_guest(engines.folder / "image" / "bin" / "foreign", "/tmp/foreign")
    assert engines.run("/tmp/foreign") == "from aarch64"
    for engine in ENGINES:
        assert engines.docker(engine, "run", "--rm", "hand", "/bin/foreign") == "from aarch64"


def test_a_socket_is_forwarded_for_this_run_alone(engines: Engines) -> None:
    rule = {"guestSocket": "/run/docker.sock", "hostSocket": "brief.sock"}
    place = {"home": engines.home.path, "host": engines.home.host, "check": False}
    outcome = ensure_forward(ForwardRequest(instance=NAME, rule=rule), **place)
    assert outcome.changed
    assert outcome.host_socket == str(engines.socket("brief"))
    assert not ensure_forward(ForwardRequest(instance=NAME, rule=rule), **place).changed
    assert info(engines, "brief")["Name"] == engines.run("hostname")
    assert ensure_forward(ForwardRequest(instance=NAME, rule=rule, state="absent"), **place).changed
    assert info(engines, "rootful")["Name"]
    assert "brief" not in (engines.home.path / NAME / "lima.yaml").read_text()


def test_the_engines_are_there_after_a_restart(engines: Engines) -> None:
    engines.home.ensure(NAME, template=None, state="restarted", timeout=900)
    for engine in ENGINES:
        assert eventually(lambda engine=engine: info(engines, engine)["Name"])  # type: ignore[misc]
