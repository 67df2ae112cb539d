# SPDX-License-Identifier: GPL-3.0-or-later
"""9p, and the same seed by cloud-init: one guest from an image as everybody else's are."""

from __future__ import annotations

import pytest
from mounts.conftest import Box
from mounts.suite import ColdSuite, HotSuite, InotifySuite

from callao.events import EventState, Stage

MOUNT_TYPE = "9p"
pytestmark = pytest.mark.guest


class TestCloudInit:
    """The guest is set up by the image's cloud-init, not by our own first-boot system."""

    def test_the_stage_has_the_name_of_who_does_the_work(self, box: Box) -> None:
        stages = [event.stage for event in box.events if event.state is EventState.DONE]
        assert Stage.CLOUD_INIT in stages
        assert Stage.FIRST_BOOT not in stages
        assert stages.index(Stage.CLOUD_INIT) < stages.index(Stage.PROVISION)

    def test_cloud_init_has_nothing_to_complain_of(self, box: Box) -> None:
        assert '"errors": []' in box.run("cat /run/cloud-init/result.json")
        assert box.run("grep -cE 'WARNING|ERROR' /var/log/cloud-init.log || true").strip() == "0"

    def test_cloud_init_searches_for_its_data_nowhere_else(self, box: Box) -> None:
        assert "ds=nocloud" in box.run("cat /sys/class/dmi/id/product_serial")
        assert "DataSourceNoCloud" in box.run("cat /run/cloud-init/result.json")

    def test_the_guest_is_as_its_seed_says(self, box: Box) -> None:
        assert box.run("hostname").strip() == "lima-box"
        assert box.run("ls /etc/ssh/ssh_host_*_key").split() == ["/etc/ssh/ssh_host_ed25519_key"]
        assert "dev eth0" in box.run("ip route show default")
        assert int(box.run("df --output=size -B1 / | tail -n 1")) > 5 * 2**30
        assert box.run("cat /var/order").split() == ["boot", "system"]
        assert box.run("cat /run/lima-boot-done") == "code=0\n"
        assert box.run("cat /run/seen") == "hello\n"  # mounts come before provision scripts


class TestCold(ColdSuite):
    """9p at the start."""


class TestHot(HotSuite):
    """Every type later; on one of the guests, since it makes no difference on which."""


class TestInotify(InotifySuite):
    """And watched."""
