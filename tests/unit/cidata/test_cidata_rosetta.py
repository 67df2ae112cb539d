# SPDX-License-Identifier: GPL-3.0-or-later
"""Rosetta in a guest's tree: its entry of binfmt_misc, its cache's daemon, and what containers are told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import yaml
from guest_tree import GuestTree

from callao.cidata import Seed
from callao.config.schema import Arch, Provision, ProvisionMode, Rosetta, VMOpts, VMType, VZOpts

UNIT = "etc/systemd/system/rosettad.service"
SERVICE = "etc/init.d/rosettad"
CDI = "etc/cdi/rosetta.yaml"
REGISTERED = "usr/lib/binfmt.d/rosetta.conf"


@pytest.fixture
def tree(tmp_path: Path) -> GuestTree:
    """With the share as macOS 14 and newer have it, and a folder of systemd-binfmt(8)."""
    tree = GuestTree.make(tmp_path / "guest", "busybox")
    for name in ("rosetta", "rosettad"):
        tree.put(f"mnt/lima-rosetta/{name}", "", 0o755)
    tree.put("binfmt_misc/register", "")
    tree.put("usr/lib/binfmt.d/README", "")
    for program in ("mount", "systemctl", "rc-service"):
        tree.stub(program)
    tree.stub("rc-update", "mkdir -p /etc/runlevels/default; ln -s /etc/init.d/$2 /etc/runlevels/default/$2")
    return tree


@pytest.fixture
def seed_of(make_seed):
    def make(*, binfmt: bool = True, systemd: bool = True) -> Seed:
        script = Provision(mode=ProvisionMode("boot"), script="mkdir -p /run/systemd/system")
        return make_seed(
            vm_type=VMType.VZ,
            arch=Arch.AARCH64,
            vm_opts=VMOpts(vz=VZOpts(rosetta=Rosetta(enabled=True, binfmt=binfmt))),
            provision=(script,) if systemd else (),
        )

    return make


def test_programs_of_x86_64_are_given_to_rosetta_and_no_others(tree, seed_of):
    assert tree.boot(seed_of()).code == 0
    line = (tree.root / "binfmt_misc/register").read_bytes()
    _, name, kind, offset, magic, mask, interpreter, flags = line.split(b":")
    assert (name, kind, offset, interpreter, flags) == (
        b"rosetta", b"M", b"", b"/mnt/lima-rosetta/rosetta", b"OCF",
    )  # fmt: skip
    assert [_is_taken(magic, mask, each) for each in ((2, 62), (3, 62), (1, 62), (2, 183))] == [
        True, True, False, False,
    ]  # fmt: skip
    assert tree.text(REGISTERED).encode() == line + b"\n"


def test_without_binfmt_nothing_is_registered_and_what_was_is_removed(tree, seed_of):
    tree.put("binfmt_misc/rosetta", "enabled\n")
    tree.put(REGISTERED, "of an earlier boot\n")
    assert tree.boot(seed_of(binfmt=False)).code == 0
    assert tree.text("binfmt_misc/rosetta") == "-1"
    assert tree.text("binfmt_misc/register") == ""
    assert not (tree.root / REGISTERED).exists()


def test_an_entry_that_is_there_is_not_registered_again(tree, seed_of):
    tree.put("binfmt_misc/rosetta", "enabled\n")
    assert tree.boot(seed_of()).code == 0
    assert tree.text("binfmt_misc/register") == ""


def test_the_cache_of_translations_has_a_daemon_whose_socket_containers_can_ask_for(tree, seed_of):
    assert tree.boot(seed_of()).code == 0
    assert "ExecStart=/mnt/lima-rosetta/rosettad daemon /var/cache/rosettad\n" in tree.text(UNIT)
    assert (tree.root / "etc/systemd/system/multi-user.target.wants/rosettad.service").is_symlink()
    assert "systemctl --no-block start rosettad.service" in tree.text("calls").splitlines()
    document = yaml.safe_load(tree.text(CDI))
    assert (document["cdiVersion"], document["kind"]) == ("0.6.0", "lima-vm.io/rosetta")
    [device] = document["devices"]
    [mount] = device["containerEdits"]["mounts"]
    assert device["name"] == "cached"
    assert mount == {
        "hostPath": "/var/cache/rosettad/uds/rosetta.sock",
        "containerPath": "/run/rosettad/rosetta.sock",
        "options": ["bind"],
    }
    link = tree.root / "home/alice.guest/.config/cdi/rosetta.yaml"
    assert str(link.readlink()) == "/etc/cdi/rosetta.yaml"
    assert {link.lstat().st_uid, link.parent.stat().st_uid, link.parent.parent.stat().st_uid} == {
        (tree.root / "home/alice.guest").stat().st_uid
    }


def test_a_second_boot_with_rosetta_changes_nothing(tree, seed_of):
    seed = seed_of()
    assert tree.boot(seed).code == 0
    found = tree.snapshot()
    assert tree.boot(seed).code == 0
    assert tree.snapshot() == found
    assert "systemctl daemon-reload" not in tree.text("calls")


def test_openrc_starts_the_daemon_where_there_is_no_systemd_and_no_emulator_is_before_rosetta(tree, seed_of):
    tree.put("bin/openrc-run", "", 0o755)
    tree.put("etc/init.d/qemu-binfmt", "", 0o755)
    assert tree.boot(seed_of(systemd=False)).code == 0
    assert "command_args='daemon /var/cache/rosettad'" in tree.text(SERVICE)
    calls = tree.text("calls").splitlines()
    assert {"rc-service --ifstarted qemu-binfmt stop", "rc-update add rosettad default"} <= set(calls)
    assert (tree.root / CDI).exists()


def test_on_macos_13_there_is_no_cache_and_containers_are_told_of_none(tree, seed_of):
    assert tree.boot(seed_of()).code == 0
    (tree.root / "mnt/lima-rosetta/rosettad").unlink()
    assert tree.boot(seed_of()).code == 0
    assert not (tree.root / CDI).exists()
    assert not (tree.root / "home/alice.guest/.config/cdi/rosetta.yaml").is_symlink()


def _is_taken(magic: bytes, mask: bytes, program: tuple[int, int]) -> bool:
    """Whether the kernel takes a program, by its type and machine, for one of the entry."""
    kind, machine = program
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", kind, machine)
    wanted, cared = (
        each.decode().encode().decode("unicode_escape").encode("latin-1") for each in (magic, mask)
    )
    assert len(wanted) == len(cared) == len(header)
    return all(a & m == b & m for a, b, m in zip(header, wanted, cared, strict=True))
