# SPDX-License-Identifier: GPL-3.0-or-later
"""The same seed in an image with cloud-init, as everybody else's are; the tests share one instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.home import Home, build_golden, temporary_home

from callao.events import Event, EventState, Stage

pytestmark = pytest.mark.guest

_SCRIPT = "#!/bin/sh\necho {} >>/var/order\n"


class Box:
    """The instance, and what its start told."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.events: list[Event] = []
        provision = [{"mode": mode, "script": _SCRIPT.format(mode)} for mode in ("system", "boot")]
        home.ensure("web", timeout=600, events=self.events, extra={**home.direct(), "provision": provision})

    def run(self, command: str) -> str:
        done = self.home.ssh("web", command)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with temporary_home(build_golden(cloud_init=True)) as home:
        yield Box(home)


def test_the_stage_has_the_name_of_who_does_the_work(box: Box) -> None:
    stages = [event.stage for event in box.events if event.state is EventState.DONE]
    assert Stage.CLOUD_INIT in stages
    assert Stage.FIRST_BOOT not in stages
    assert stages.index(Stage.CLOUD_INIT) < stages.index(Stage.PROVISION)


def test_cloud_init_has_nothing_to_complain_of(box: Box) -> None:
    assert '"errors": []' in box.run("cat /run/cloud-init/result.json")
    assert box.run("sudo grep -cE 'WARNING|ERROR' /var/log/cloud-init.log || true").strip() == "0"


def test_cloud_init_searches_for_its_data_nowhere_else(box: Box) -> None:
    assert "ds=nocloud" in box.run("sudo cat /sys/class/dmi/id/product_serial")
    assert "DataSourceNoCloud" in box.run("cat /run/cloud-init/result.json")


def test_the_guest_is_as_its_seed_says(box: Box) -> None:
    assert box.run("hostname").strip() == "lima-web"
    assert box.run("sudo -n id -u").strip() == "0"
    assert box.run("ls /etc/ssh/ssh_host_*_key").split() == ["/etc/ssh/ssh_host_ed25519_key"]
    assert "dev eth0" in box.run("ip route show default")
    assert int(box.run("df --output=size -B1 / | tail -n 1")) > 5 * 2**30
    assert box.run("cat /var/order").split() == ["boot", "system"]
    assert box.run("cat /run/lima-boot-done") == "code=0\n"
