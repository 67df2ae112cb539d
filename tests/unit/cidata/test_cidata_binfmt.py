# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot script that has programs of other architectures run, in a guest's tree with stand-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from guest_tree import GuestTree

from callao.cidata import seed_files
from callao.cidata.variables import emulated_architectures
from callao.config import effective
from callao.errors import ConfigError
from callao.host import Host, HostUser
from callao.instances.effects import fingerprint

HOST = Host("linux", "x86_64", 4, 2**33, HostUser("alice", 1501, "Alice Doe", "/home/alice"), "")

REGISTER = """
for each in /usr/lib/binfmt.d/*.conf; do
  name=${each##*/}
  echo 'flags: POCF' >"/registered/${name%.conf}"
done
"""
"""In place of systemd-binfmt(8)."""

APT = """
case $* in
*install*)
  mkdir -p /usr/lib/binfmt.d
  touch /usr/lib/binfmt.d/qemu-aarch64.conf /usr/lib/binfmt.d/qemu-arm.conf
  ;;
esac
"""

GREP = r"""
for last; do :; done
case $last in
/proc/sys/fs/binfmt_misc/*) exec busybox grep "$1" "$2" "/registered/${last##*/}" ;;
*) exec busybox grep "$@" ;;
esac
"""
"""The tree has the host's /proc, which knows nothing of what is registered here."""


def config(**document: Any) -> Any:
    images = [{"location": "/x.qcow2"}]
    return effective(
        {"images": images, **document}, HOST, name="web", instance_dir=Path("/home/alice/.lima/web")
    )


@pytest.fixture
def guest(tmp_path: Path) -> GuestTree:
    tree = GuestTree.make(tmp_path / "guest", "dash")
    tree.stub("systemctl", REGISTER)
    tree.stub("apt-get", APT)
    tree.stub("grep", GREP)
    (tree.root / "registered").mkdir()
    return tree


def test_other_names_of_an_architecture_are_understood_and_the_guests_own_needs_nothing() -> None:
    assert emulated_architectures(config(binfmt=["arm64", "amd64", "aarch64", "armv7l"])) == [
        "aarch64",
        "arm",
    ]


def test_what_is_no_architecture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"binfmt\[1\]: 'vax': is not an architecture .*aarch64.*arm64"):
        config(binfmt=["arm64", "vax"])


def test_an_instance_from_before_the_field_existed_needs_no_restart() -> None:
    assert fingerprint(config()) == fingerprint(config(binfmt=[]))
    assert fingerprint(config()) != fingerprint(config(binfmt=["arm64"]))


def test_a_plain_guest_and_one_of_the_same_architecture_get_no_script(make_seed: Any) -> None:
    assert "boot.packages/30-binfmt.sh" in seed_files(make_seed(binfmt=("arm64",)))
    assert "boot.packages/30-binfmt.sh" not in seed_files(make_seed(binfmt=("arm64",), plain=True))
    assert "boot.packages/30-binfmt.sh" not in seed_files(make_seed(binfmt=("amd64",)))


def test_what_is_missing_is_installed_once_and_registered(guest: GuestTree, make_seed: Any) -> None:
    done = guest.boot(make_seed(binfmt=("arm64", "armhf")))
    assert (done.code, done.failed) == (0, ()), done.output
    assert "apt-get install -y qemu-user-static" in guest.text("calls")
    (guest.root / "calls").unlink()
    assert guest.boot(make_seed(binfmt=("arm64", "armhf"))).failed == ()
    assert "apt-get" not in guest.text("calls")
    assert "systemctl" not in guest.text("calls")


def test_what_is_installed_and_not_registered_is_registered_without_a_network(
    guest: GuestTree, make_seed: Any
) -> None:
    guest.put("usr/lib/binfmt.d/qemu-aarch64.conf", "")
    assert guest.boot(make_seed(binfmt=("arm64",))).failed == ()
    assert "apt-get" not in guest.text("calls")


def test_an_architecture_that_the_package_lacks_fails_the_script(guest: GuestTree, make_seed: Any) -> None:
    done = guest.boot(make_seed(binfmt=("arm64", "s390x")))
    assert done.failed == ("boot.packages/30-binfmt.sh",)
    assert "no emulator for containers of s390x" in done.output
