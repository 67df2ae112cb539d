# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest plugin: fixtures ``guest``, ``fresh_guest`` and ``guest_host``, and the mark ``guest``.

Slow imports happen in the first test that uses a guest, because pytest loads the plugin in every run where
callao is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from callao.testing.guest import Guest
    from callao.testing.home import TestHome

_MARK = (
    "guest(template=NAME, driver=NAME, config={...}): wants a real machine; see docs/testing.md of callao"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--callao-driver`` and the ini settings."""
    group = parser.getgroup("callao", "real guests")
    group.addoption(
        "--callao-driver",
        action="append",
        metavar="NAME",
        help="run the tests that want a guest with this vmType (qemu, vz, wsl2); may be given again",
    )
    parser.addini("callao_template", "the template of guests whose test names none", default="default")
    parser.addini("callao_timeout", "seconds for a guest to come up", default="600")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, for --strict-markers."""
    config.addinivalue_line("markers", _MARK)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With several ``--callao-driver``, each test that has a guest runs once with each."""
    drivers = metafunc.config.getoption("--callao-driver")
    wants = {"guest", "fresh_guest", "guest_host"} & set(metafunc.fixturenames)
    if drivers and len(drivers) > 1 and wants:
        metafunc.parametrize("callao_driver", drivers)


@dataclass(frozen=True)
class GuestSpec:
    """The template and configuration of a test's mark, or the session's default."""

    template: str
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Equal for two tests that can share a guest."""
        return json.dumps([self.template, self.config], sort_keys=True)


@dataclass
class Pool:
    """The guests that this session shares, by their template and configuration."""

    home: TestHome
    timeout: float
    shared: dict[str, Guest] = field(default_factory=dict)
    made: int = 0

    def share(self, wanted: GuestSpec) -> Guest:
        if wanted.key not in self.shared:
            self.shared[wanted.key] = self.make(wanted, "guest")
        return self.shared[wanted.key]

    def make(self, wanted: GuestSpec, kind: str) -> Guest:
        self.made += 1
        name = f"{kind}-{self.made}"
        return self.home.start_guest(name, wanted.template, wanted.config, timeout=self.timeout)


@pytest.fixture(scope="session")
def callao_cache() -> Path:
    """The LIMA_HOME whose warm machines are used, ``~/.lima`` as a rule; override it to have another."""
    from callao.host import lima_home

    return lima_home()


@pytest.fixture(scope="session")
def callao_template(pytestconfig: pytest.Config) -> str:
    """The template where a test does not name one: the ini setting; override it to compute one."""
    return str(pytestconfig.getini("callao_template"))


@pytest.fixture(scope="session")
def callao_pool(callao_cache: Path, pytestconfig: pytest.Config) -> Iterator[Pool]:
    """This session's guests, with xdist those of one worker; none is left at the end."""
    from callao.testing.home import test_home

    with test_home(callao_cache) as home:
        yield Pool(home, float(pytestconfig.getini("callao_timeout")))


@pytest.fixture
def callao_driver(request: pytest.FixtureRequest) -> str:
    """The vmType that is asked for on the command line; empty for this host's own."""
    given = request.config.getoption("--callao-driver")
    return str(given[0]) if given else ""


@pytest.fixture
def wanted_guest(request: pytest.FixtureRequest, callao_template: str, callao_driver: str) -> GuestSpec:
    """From the test's mark, with a skip that says what this machine lacks for it."""
    mark = request.node.get_closest_marker("guest")
    named = dict(mark.kwargs) if mark is not None else {}
    template = str(named.pop("template", callao_template))
    config = dict(named.pop("config", {}))
    driver = str(named.pop("driver", "")) or callao_driver
    if named:
        allowed = "template, driver, config"
        raise pytest.UsageError(f"@pytest.mark.guest: {', '.join(named)}: unknown (allowed: {allowed}).")
    if driver:
        lacking = _missing_for(driver)
        if lacking:
            pytest.skip(lacking)
        config["vmType"] = driver
    return GuestSpec(template, config)


@pytest.fixture
def guest(callao_pool: Pool, wanted_guest: GuestSpec) -> Guest:
    """A guest that the session shares among the tests with the same mark; tests must not change it."""
    return callao_pool.share(wanted_guest)


@pytest.fixture
def fresh_guest(callao_pool: Pool, wanted_guest: GuestSpec) -> Iterator[Guest]:
    """A guest for one test, deleted after it."""
    made = callao_pool.make(wanted_guest, "fresh")
    yield made
    callao_pool.home.remove(made.name)


@pytest.fixture
def guest_host(guest: Guest) -> Any:
    """The shared one as a testinfra host."""
    pytest.importorskip("testinfra", reason="guest_host: install callao[testing] for testinfra.")
    return guest.testinfra()


def _missing_for(driver: str) -> str:
    """What is missing on this host for ``driver``; empty when nothing is."""
    from callao.config import effective
    from callao.drivers import driver_for, driver_names
    from callao.host import Host

    if driver not in driver_names():
        known = ", ".join(driver_names())
        return f"vmType {driver}: this version of Callao has no such driver (it has: {known})."
    image = {"location": "/", "kernel": {"location": "/"}}  # a kernel, so that no firmware is required
    least = {"vmType": driver, "images": [image]}
    config = effective(least, Host.detect(), name="guest", instance_dir=Path("/"))
    missing = driver_for(config.vm_type).missing(config)
    return f"vmType {driver}: {' '.join(missing)}" if missing else ""
