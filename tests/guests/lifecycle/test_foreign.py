# SPDX-License-Identifier: GPL-3.0-or-later
"""A box of another architecture than the host's, from a golden image that this host has built."""

from __future__ import annotations

import pytest
from support.home import build_golden, direct, temporary_home

from callao.events import Event, EventState
from callao.host import Host

pytestmark = [pytest.mark.guest, pytest.mark.long]

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}
CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}


@pytest.mark.parametrize("firmware", [False, True])
def test_a_box_of_another_architecture_comes_up(firmware: bool) -> None:
    arch = OTHER[Host.detect().arch]
    golden = build_golden(arch=arch)
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
