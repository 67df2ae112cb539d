# SPDX-License-Identifier: GPL-3.0-or-later
"""A box of another architecture than the host's, from a golden image that this host has built."""

from __future__ import annotations

import pytest
from support.home import Golden, build_golden, direct, temporary_home

from callao.events import Event, EventState
from callao.host import Host

pytestmark = [pytest.mark.guest, pytest.mark.long]

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}
CONSOLES = {
    "x86_64": "ttyS0",
    "aarch64": "ttyAMA0",
    "armv7l": "ttyAMA0",
    "ppc64le": "hvc0",
    "riscv64": "ttyS0",
    "s390x": "ttysclp0",
}
RELEASES = {"riscv64": "13"}
"""Where Debian 12 has no such architecture."""

MIRROR = "http://deb.debian.org/debian"
"""Alone: the image needs no security updates, whose archive is not on every mirror for each architecture."""


@pytest.mark.parametrize("firmware", [False, True])
def test_a_box_of_another_architecture_comes_up(firmware: bool) -> None:
    arch = OTHER[Host.detect().arch]
    comes_up(arch, build_golden(arch=arch), firmware=firmware)


@pytest.mark.parametrize("arch", ["riscv64", "armv7l", "ppc64le", "s390x"])
def test_a_box_without_a_boot_loader_comes_up_by_the_kernel_of_its_image(arch: str) -> None:
    golden = build_golden(arch=arch, release=RELEASES.get(arch, "12"), mirror=MIRROR)
    comes_up(arch, golden, firmware=False)


def comes_up(arch: str, golden: Golden, *, firmware: bool) -> None:
    with temporary_home(golden, None) as home:
        images = [{**image, "arch": arch} for image in direct(golden, CONSOLES[arch])["images"]]
        if firmware:
            images = [{"location": str(golden.disk), "arch": arch}]
        events: list[Event] = []
        extra = {"arch": arch, "plain": True, "images": images}
        home.ensure("foreign", extra=extra, timeout=1800, events=events)
        assert home.ssh("foreign", "uname -m").stdout.strip() == arch
        notices = [event.message for event in events if event.state is EventState.NOTICE]
        assert any(f"the guest is {arch} and this host" in each for each in notices)
        home.ensure("foreign", template=None, state="stopped")
