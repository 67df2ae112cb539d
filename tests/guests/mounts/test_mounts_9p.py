# SPDX-License-Identifier: GPL-3.0-or-later
"""9p, and the same seed by cloud-init: one guest from an image as everybody else's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from mounts.conftest import Box
from mounts.suite import ColdSuite, HotSuite, InotifySuite

from callao.disks.change import create
from callao.errors import CallaoError
from callao.events import EventState, Stage
from callao.images.formats import ImageFormat

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


class TestDisks:
    """File systems that need tools of their own, and disks that hold something else than a file system."""

    PARTS: ClassVar[list[dict[str, Any]]] = [{"name": name, "format": False} for name in ("first", "second")]

    def has(self, box: Box, *disks: dict[str, Any]) -> None:
        """Attach and detach until the machine has these, beside the one that it was started with."""

        def amend(document: Mapping[str, Any]) -> Mapping[str, Any]:
            kept = [each for each in document["additionalDisks"] if each["name"] == "quick"]
            return {**document, "additionalDisks": [*kept, *disks]}

        assert box.home.ensure("box", template=None, edit=amend, timeout=300).actions == (
            "configure",
            "refresh",
        )

    def test_each_has_the_file_system_that_is_asked_for(self, box: Box) -> None:
        create("b-tree", box.home.path, size=512 * 2**20, form=ImageFormat.QCOW2)
        self.has(box, {"name": "b-tree", "fsType": "btrfs"})
        mounted = box.run("findmnt -n -o FSTYPE /mnt/lima-quick; findmnt -n -o FSTYPE /mnt/lima-b-tree")
        assert mounted.split() == ["xfs", "btrfs"]
        assert "lima-quick" in box.run("blkid -p $(findmnt -n -o SOURCE /mnt/lima-quick)")

    def test_two_become_a_volume_group_that_is_never_formatted(self, box: Box) -> None:
        """Nor in another order, with a wish to format them: they hold something."""
        for disk in self.PARTS:
            create(disk["name"], box.home.path, size=64 * 2**20, form=ImageFormat.QCOW2)
        self.has(box, *self.PARTS)
        devices = "/dev/disk/by-id/virtio-lima-first /dev/disk/by-id/virtio-lima-second"
        box.run(f"udevadm settle; vgcreate -q pool {devices} && lvcreate -q -y -l 100%FREE -n all pool")
        box.run("mkfs.ext4 -q /dev/pool/all && mkdir /srv/all && mount /dev/pool/all /srv/all")
        box.run("echo precious >/srv/all/file && umount /srv/all")
        with pytest.raises(
            CallaoError, match=r"first cannot be detached: in the guest: .* in use by pool-all"
        ):
            self.has(box)
        box.run("vgchange -q -an pool")
        self.has(box)
        self.has(box, *({**each, "format": True} for each in reversed(self.PARTS)))
        box.run("udevadm settle; vgchange -q -ay pool; mount /dev/pool/all /srv/all")
        assert box.run("cat /srv/all/file") == "precious\n"
        box.run("umount /srv/all; vgchange -q -an pool")
        self.has(box)


class TestCold(ColdSuite):
    """9p at the start."""


class TestHot(HotSuite):
    """Every type later; on one of the guests, since it makes no difference on which."""


class TestInotify(InotifySuite):
    """And watched."""
