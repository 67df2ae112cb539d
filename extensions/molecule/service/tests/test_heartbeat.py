# SPDX-License-Identifier: GPL-3.0-or-later
"""The service, as an administrator would look at it."""

from __future__ import annotations

from testinfra.host import Host


def test_it_runs_and_will_after_a_boot(host: Host) -> None:
    service = host.service("heartbeat")
    assert service.is_running
    assert service.is_enabled


def test_it_beats(host: Host) -> None:
    with host.sudo():
        assert host.file("/run/heartbeat/beat").exists
