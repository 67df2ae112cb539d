# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot script that installs the program, run for real: see cidata/guest_tree.py."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from cidata.guest_tree import GuestTree

SCRIPTS = ("files.sh", "60-guest-program.sh")
ENTRY = """#!/bin/sh
set -eu
LIMA_CIDATA_MNT=/mnt/lima-cidata LIMA_CIDATA_GUEST_INSTALL_PREFIX=/usr/local
. /mnt/files.sh
. /mnt/60-guest-program.sh
"""
UNIT = "etc/systemd/system/lima-guestagent.service"
LINK = "etc/systemd/system/multi-user.target.wants/lima-guestagent.service"
PROGRAM = "usr/local/bin/lima-guestagent"


@pytest.fixture(params=["dash", "busybox"])
def tree(request, tmp_path) -> GuestTree:
    tree = GuestTree.make(tmp_path / "guest", request.param)
    for name in SCRIPTS:
        tree.put(f"mnt/{name}", (resources.files("callao.cidata") / "scripts" / name).read_text())
    tree.put("mnt/entry", ENTRY, 0o755)
    tree.put("mnt/lima-cidata/lima-guestagent.pyz", "one\n")
    tree.stub("python3")
    return tree


@pytest.fixture
def systemd(tree) -> GuestTree:
    (tree.root / "run/systemd/system").mkdir(parents=True)
    (tree.root / UNIT).parent.mkdir(parents=True)
    tree.stub("systemctl")
    return tree


@pytest.fixture
def openrc(tree) -> GuestTree:
    (tree.root / "etc/init.d").mkdir(parents=True)
    tree.stub("openrc-run")
    tree.stub("rc-service")
    tree.stub("rc-update", "mkdir -p /etc/runlevels/default; ln -s /etc/init.d/$2 /etc/runlevels/default/$2")
    return tree


def boot(tree: GuestTree) -> tuple[str, list[str]]:
    """What it printed, and which programs it called."""
    tree.put("calls", "")
    return tree.chroot("/mnt/entry"), tree.text("calls").splitlines()


def test_program_and_unit_are_installed_and_started(systemd):
    assert boot(systemd) == ("", ["systemctl --no-block restart lima-guestagent.service"])
    assert systemd.text(PROGRAM) == "one\n"
    assert (systemd.root / PROGRAM).stat().st_mode & 0o777 == 0o755
    assert "ExecStart=/usr/bin/env python3 -IS /usr/local/bin/lima-guestagent\n" in systemd.text(UNIT)
    assert (systemd.root / LINK).readlink() == Path("/", UNIT)


def test_a_second_boot_starts_nothing(systemd):
    boot(systemd)
    before = systemd.snapshot()
    assert boot(systemd) == ("", [])
    assert systemd.snapshot() == before


@pytest.mark.parametrize(
    ("path", "reload"),
    [("mnt/lima-cidata/lima-guestagent.pyz", []), (UNIT, ["systemctl daemon-reload"])],
    ids=["program", "unit"],
)
def test_what_changed_is_replaced_and_the_program_restarted(systemd, path, reload):
    boot(systemd)
    systemd.put(path, "two\n")
    assert boot(systemd)[1] == [*reload, "systemctl --no-block restart lima-guestagent.service"]
    assert systemd.text(PROGRAM) == systemd.text("mnt/lima-cidata/lima-guestagent.pyz")
    assert systemd.text(UNIT).startswith("[Unit]\n")


def test_openrc_has_a_service(openrc):
    expected = ["rc-update add lima-guestagent default", "rc-service lima-guestagent restart"]
    assert boot(openrc) == ("", expected)
    assert "command_args='python3 -IS /usr/local/bin/lima-guestagent'" in openrc.text(
        "etc/init.d/lima-guestagent"
    )
    assert boot(openrc) == ("", [])


def test_an_image_without_python_is_told_of_in_one_line(systemd):
    (systemd.root / "bin/python3").unlink()
    output, called = boot(systemd)
    assert output.count("\n") == 1
    assert "python3" in output
    assert called == []
