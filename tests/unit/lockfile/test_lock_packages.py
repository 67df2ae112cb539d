# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that points apt at a snapshot, run for real in a guest's file tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cidata.guest_tree import GuestTree

from callao.lockfile.packages import provision

DAY = "20261121T101112Z"
DEBIAN = f"https://snapshot.debian.org/archive/debian/{DAY}"
SECURITY = f"https://snapshot.debian.org/archive/debian-security/{DAY}"
UBUNTU = f"https://snapshot.ubuntu.com/ubuntu/{DAY}"


def script(packages: str) -> str:
    entry = provision(packages)
    assert entry is not None
    assert entry["mode"] == "boot"
    return str(entry["script"])


@pytest.fixture(params=["busybox", "mawk"])
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> GuestTree:
    """With Debian's awk, and with another."""
    tree = GuestTree.make(tmp_path / "guest", "dash")
    if request.param != "busybox":
        tree.install(request.param)
        (tree.root / "bin/awk").unlink()
        (tree.root / "bin/awk").symlink_to(request.param)
    return tree


def run(guest: GuestTree, packages: str) -> None:
    guest.put("pin.sh", script(packages), 0o755)
    assert guest.chroot("/pin.sh") == ""


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    path = tmp_path / "pin.sh"
    path.write_text(script(DEBIAN))
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_debians_own_image_is_held_to_the_day(guest: GuestTree) -> None:
    guest.put(
        "etc/apt/sources.list.d/debian.sources",
        "Types: deb deb-src\n"
        "URIs: mirror+file:///etc/apt/mirrors/debian.list\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "\n"
        "# Security\n"
        "Types: deb deb-src\n"
        "URIs: mirror+file:///etc/apt/mirrors/debian-security.list\n"
        "Check-Valid-Until: yes\n"
        "Suites: bookworm-security\n"
        "Components: main\n",
    )
    run(guest, DEBIAN)
    assert guest.text("etc/apt/sources.list.d/debian.sources") == (
        "Types: deb deb-src\n"
        f"URIs: {DEBIAN}\n"
        "Check-Valid-Until: no\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "\n"
        "# Security\n"
        "Types: deb deb-src\n"
        f"URIs: {SECURITY}\n"
        "Check-Valid-Until: no\n"
        "Suites: bookworm-security\n"
        "Components: main\n"
    )


def test_ubuntus_own_image_is_held_to_the_day(guest: GuestTree) -> None:
    guest.put(
        "etc/apt/sources.list.d/ubuntu.sources",
        "Types: deb\nURIs: http://pe.archive.ubuntu.com/ubuntu/\nSuites: noble noble-updates\n\n"
        "Types: deb\nURIs:\n http://ports.ubuntu.com/ubuntu-ports\n https://esm.ubuntu.com/apps/ubuntu\n"
        "Suites: noble-security\n",
    )
    run(guest, UBUNTU)
    assert guest.text("etc/apt/sources.list.d/ubuntu.sources") == (
        f"Types: deb\nURIs: {UBUNTU}\nCheck-Valid-Until: no\nSuites: noble noble-updates\n\n"
        f"Types: deb\nURIs:\n {UBUNTU}\n https://esm.ubuntu.com/apps/ubuntu\nCheck-Valid-Until: no\n"
        "Suites: noble-security\n"
    )


@pytest.mark.parametrize(
    ("packages", "before", "after"),
    [
        (
            DEBIAN,
            "deb http://deb.debian.org/debian bookworm main",
            f"deb [check-valid-until=no] {DEBIAN} bookworm main",
        ),
        (
            DEBIAN,
            "deb-src [arch=amd64] https://ftp.pe.debian.org/debian/ bookworm main",
            f"deb-src [check-valid-until=no arch=amd64] {DEBIAN} bookworm main",
        ),
        (
            DEBIAN,
            "deb http://security.debian.org/debian-security bookworm-security main",
            f"deb [check-valid-until=no] {SECURITY} bookworm-security main",
        ),
        (
            DEBIAN,
            "deb [check-valid-until=yes] http://security.debian.org/ buster/updates main",
            f"deb [check-valid-until=no] {SECURITY} buster/updates main",
        ),
        (
            DEBIAN,
            "deb https://snapshot.debian.org/archive/debian/20200101T000000Z bookworm main",
            f"deb [check-valid-until=no] {DEBIAN} bookworm main",
        ),
        (
            UBUNTU,
            "deb\thttp://security.ubuntu.com/ubuntu jammy-security main",
            f"deb\t[check-valid-until=no] {UBUNTU} jammy-security main",
        ),
        (
            DEBIAN,
            "# deb http://deb.debian.org/debian sid main",
            "# deb http://deb.debian.org/debian sid main",
        ),
        (
            DEBIAN,
            "deb https://download.docker.com/linux/debian bookworm stable",
            "deb https://download.docker.com/linux/debian bookworm stable",
        ),
        (
            UBUNTU,
            "deb https://ppa.launchpadcontent.net/x/ubuntu noble main",
            "deb https://ppa.launchpadcontent.net/x/ubuntu noble main",
        ),
    ],
)
def test_a_line_leads_to_the_day_and_others_repositories_stay(
    guest: GuestTree, packages: str, before: str, after: str
) -> None:
    guest.put("etc/apt/sources.list", before + "\n")
    guest.put("etc/apt/sources.list.d/more.list", before + "\n", 0o600)
    run(guest, packages)
    assert guest.text("etc/apt/sources.list") == after + "\n"
    assert guest.text("etc/apt/sources.list.d/more.list") == after + "\n"
    assert (guest.root / "etc/apt/sources.list.d/more.list").stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(guest: GuestTree) -> None:
    guest.put("etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n")
    guest.put("etc/apt/sources.list.d/x.sources", "Types: deb\nURIs: http://deb.debian.org/debian\n")
    run(guest, DEBIAN)
    first = guest.snapshot()
    run(guest, DEBIAN)
    assert guest.snapshot() == first


def test_cloud_init_does_not_take_it_back(guest: GuestTree) -> None:
    (guest.root / "etc/cloud/cloud.cfg.d").mkdir(parents=True)
    guest.put("etc/apt/sources.list", "")
    run(guest, DEBIAN)
    written = guest.text("etc/cloud/cloud.cfg.d/99-callao-snapshot.cfg")
    assert written == "apt:\n  preserve_sources_list: true\n"


def test_a_guest_without_apt_is_left_alone(guest: GuestTree) -> None:
    before = guest.snapshot()
    run(guest, DEBIAN)
    assert guest.snapshot() == before


def test_a_snapshot_that_nobody_keeps_has_no_script() -> None:
    assert provision("") is None
    assert provision("https://example.com/") is None
