# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker, Podman and containerd of Debian's packages in one guest, which the collection's role sets up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.engines import (
    NAME,
    SERVE,
    Engines,
    answers,
    eventually,
    foreign_program,
    image_folder,
    info,
    page,
    port_for_datagrams,
    running_engines,
    udp_answer,
)

from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward
from callao.ports import any_free

pytestmark = [pytest.mark.guest, pytest.mark.long]

ROLES = {
    "docker": ("docker", "rootless"),
    "rootful": ("docker", "rootful"),
    "podman": ("podman", "rootless"),
    "rootful-podman": ("podman", "rootful"),
}
"""The socket's name on the host -> the engine and the mode of the role."""


@dataclass
class Container:
    """A container of one engine, which publishes a web server twice and an echo of datagrams."""

    engine: str
    first_run: str
    second_run: str
    """The recap of Ansible."""
    loopback: int
    everywhere: int
    datagrams: int


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with running_engines() as found:
        yield found


@pytest.fixture(scope="module")
def context(engines: Engines) -> Path:
    return image_folder(engines, foreign=foreign_program())


@pytest.fixture(scope="module", params=ROLES)
def container(engines: Engines, context: Path, request: pytest.FixtureRequest) -> Iterator[Container]:
    name, (kind, mode) = request.param, ROLES[request.param]
    recaps = [engines.play(kind, mode, f"{name}.sock") for _ in range(2)]
    engines.docker(name, "build", "--tag", "hand", str(context))
    found = Container(name, *recaps, any_free(), any_free(), port_for_datagrams())
    options = (f"127.0.0.1:{found.loopback}:80", f"{found.everywhere}:80", f"{found.datagrams}:53/udp")
    publish = [f"--publish={each}" for each in options]
    engines.docker(name, "run", "--detach", "--name=web", *publish, "--volume=/usr:/usr:ro", "hand", *SERVE)
    yield found
    engines.docker(name, "rm", "--force", "web")


def test_the_role_sets_an_engine_up_once(container: Container) -> None:
    assert "changed=0" not in container.first_run
    assert "changed=0" in container.second_run


def test_the_engine_is_asked_by_its_socket_on_the_host(engines: Engines, container: Container) -> None:
    found = info(engines, container.engine)
    assert found["Name"] == engines.run("hostname")
    rootless = found["DockerRootDir"].startswith("/home/")
    assert rootless is (ROLES[container.engine][1] == "rootless")


def test_published_ports_are_on_the_hosts_loopback(container: Container) -> None:
    for port in (container.loopback, container.everywhere):
        assert eventually(lambda port=port: page(port)) == "by hand"  # type: ignore[misc]
        with pytest.raises(OSError, match="refused"):
            page(port, "127.0.0.2")


def test_a_published_port_of_udp_too(container: Container) -> None:
    assert eventually(lambda: udp_answer(container.datagrams)) == "echo hello"


def test_a_foreign_program_runs_in_a_container(engines: Engines, container: Container) -> None:
    assert engines.docker(container.engine, "exec", "web", "/bin/foreign") == "from aarch64"


def test_a_rule_publishes_a_port_on_every_address_of_the_host(
    engines: Engines, container: Container
) -> None:
    publish = f"--publish={engines.everywhere}:80"
    engines.docker(container.engine, "run", "--detach", "--name=open", publish, "hand")
    try:
        assert eventually(lambda: page(engines.everywhere, "127.0.0.2")) == "by hand"
    finally:
        engines.docker(container.engine, "rm", "--force", "open")


def test_each_container_on_one_port_answers_for_itself(engines: Engines, container: Container) -> None:
    assert answers(engines, container.engine, 3) == ["0", "1", "2"]


def test_containerd_runs_without_root_and_with_it(engines: Engines) -> None:
    engines.play("containerd", "rootless", "")
    pid = '"$(cat "$XDG_RUNTIME_DIR"/containerd-rootless/child_pid)"'
    ctr = 'ctr --address "$XDG_RUNTIME_DIR"/containerd/containerd.sock version'
    inside = f"nsenter --user --preserve-credentials --mount --net --target {pid} {ctr}"
    said = engines.run(f"export XDG_RUNTIME_DIR=/run/user/$(id -u); {inside}")
    assert "Server:" in said
    assert info(engines, "rootful")["Name"], "it needs root's containerd"
    engines.play("containerd", "rootful", "")
    assert "Server:" in engines.run("sudo ctr version")


def test_a_foreign_program_runs_in_the_guest(engines: Engines, context: Path) -> None:
    engines.copy_to_guest(context / "bin" / "foreign", "/tmp/foreign")
    assert engines.run("/tmp/foreign") == "from aarch64"


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
    for engine in ROLES:
        assert eventually(lambda engine=engine: info(engines, engine)["Name"])  # type: ignore[misc]
