# SPDX-License-Identifier: GPL-3.0-or-later
"""``plain: true``: nothing of ours in the guest, and only what rules name is forwarded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.home import Home

from callao.instances import inspect

pytestmark = pytest.mark.guest


def test_a_plain_guest_is_left_alone(home: Home, tmp_path: Path) -> None:
    rules = [{"guestPort": 22, "ignore": True}, {"guestPort": 8000, "hostPort": 28000, "static": True}]
    extra = {
        "firmware": {"legacyBIOS": True},  # proves that way in passing; others boot by UEFI, and directly
        "plain": True,
        "mounts": [{"location": str(tmp_path)}],
        "portForwards": [*rules, {"guestPort": 8001, "hostPort": 28001}],
    }
    home.ensure("plain", extra=extra, timeout=600)
    instance = inspect("plain", home.path, home.host)
    assert not (instance.dir / "qemu-efi-vars.fd").exists()
    assert instance.forwards == (("tcp", "127.0.0.1", 28000, 8000), ("udp", "127.0.0.1", 28000, 8000))
    there = "ls /usr/local/bin/lima-guestagent /etc/systemd/system/lima-guestagent.service 2>/dev/null"
    assert home.ssh("plain", there).stdout == ""
    assert str(tmp_path) not in home.ssh("plain", "cat /proc/mounts").stdout
    assert home.ssh("plain", "pgrep -f [l]ima-guestagent; command -v containerd").stdout == ""


@pytest.mark.long
def test_edit_makes_an_integrated_guest_of_a_plain_one_and_the_reverse(home: Home, tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("from the host")
    extra = {"plain": True, "mounts": [{"location": str(tmp_path)}], **home.direct()}
    mounted, program = f"cat {tmp_path}/shared", "pgrep -f [l]ima-guestagent"
    home.ensure("both", extra=extra, timeout=600)
    home.ssh("both", "echo mine >~/mine")
    for plain in (False, True):
        home.ensure("both", template=None, state="stopped")
        change = f".plain = {str(plain).lower()}"
        edit = [sys.executable, "-m", "callao.cli.main", "edit", "both", "--set", change]
        subprocess.run(edit, env={**os.environ, "LIMA_HOME": str(home.path)}, check=True)
        home.ensure("both", template=None, timeout=600)
        assert home.ssh("both", "cat ~/mine").stdout == "mine\n"
        assert home.ssh("both", mounted).stdout == ("" if plain else "from the host")
        assert bool(home.ssh("both", program).stdout) is not plain
