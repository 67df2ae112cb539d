# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes, the disk's layout, what the host lacks. The image itself boots in tests/guests."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from callao import golden
from callao.errors import ImageError
from callao.golden import Recipe, find, recipe
from callao.golden.architectures import BOOT
from callao.golden.build import mmdebstrap_argv
from callao.golden.disk import boot_sector, core_image, sfdisk_script
from callao.golden.emulation import is_registered
from callao.golden.hooks import customize_hook
from callao.golden.host import missing_packages, refuse_unfit
from callao.golden.recipe import Kernel, all_packages, recipe_key

BASE = Recipe("12", "x86_64")


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, release="13"),
        replace(BASE, arch="aarch64"),
        replace(BASE, kernel=Kernel.GENERIC),
        replace(BASE, mirror="http://mirror.example/debian"),
        replace(BASE, cloud_init=True),
        replace(BASE, packages=("jq",)),
    ],
)
def test_every_input_changes_the_key(changed: Recipe) -> None:
    assert recipe_key(changed) != recipe_key(BASE)
    assert recipe_key(BASE) == recipe_key(Recipe("12", "x86_64"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("11", "x86_64", "cloud", ""), "release: '11'.*12, 13"),
        (("12", "vax", "cloud", ""), "arch: 'vax'.*x86_64.*s390x"),
        (("12", "riscv64", "cloud", ""), r"release: '12' has no riscv64 in Debian \(allowed: 13\)"),
        (("12", "x86_64", "fast", ""), "kernel: 'fast'.*cloud, generic"),
        (("12", "x86_64", "cloud", "--setup-hook=x"), "mirror: '--setup-hook=x'.*http"),
    ],
)
def test_a_recipe_that_cannot_be_built_is_refused(arguments: tuple[str, str, str, str], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        recipe(*arguments)


@pytest.mark.parametrize("name", ["--include=x", "a,b", "Jq", "x", "", "jq=1.6"])
def test_what_is_no_package_name_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match=r"packages: .* is not the name of a Debian package"):
        recipe("12", "x86_64", "cloud", "", packages=[name])


def test_the_kernel_is_debians_for_the_architecture() -> None:
    assert "linux-image-cloud-amd64" in all_packages(BASE)
    assert "linux-image-arm64" in all_packages(Recipe("13", "aarch64", Kernel.GENERIC))
    assert "linux-image-armmp-lpae" in all_packages(Recipe("13", "armv7l", Kernel.CLOUD))


def test_an_image_that_qemu_loads_the_kernel_of_has_no_boot_loader(tmp_path: Path) -> None:
    argv = mmdebstrap_argv(Recipe("12", "s390x"), tmp_path / "root.tar", "x86_64")
    assert not any("grub" in word for word in argv)
    argv = mmdebstrap_argv(BASE, tmp_path / "root.tar", "x86_64")
    assert any("grub" in word for word in argv)


def test_packages_of_the_users_are_installed_once(tmp_path: Path) -> None:
    wanted = recipe("12", "x86_64", "cloud", "", packages=["jq", "rsync", "jq"])
    [include] = [
        word for word in mmdebstrap_argv(wanted, tmp_path, "x86_64") if word.startswith("--include=")
    ]
    names = include.removeprefix("--include=").split(",")
    assert names.count("jq") == names.count("rsync") == 1


def test_one_first_boot_system_is_installed() -> None:
    with_it = replace(BASE, cloud_init=True)
    assert {"cloud-init", "netplan.io"} <= set(all_packages(with_it))
    assert not {"cloud-init", "netplan.io", "ifupdown"} & set(all_packages(BASE))
    assert "callao" not in customize_hook(BOOT["x86_64"], cloud_init=True)


@pytest.mark.parametrize("arch", ["x86_64", "s390x"])
def test_the_hook_installs_our_first_boot_system_as_it_is(arch: str, tmp_path: Path) -> None:
    """Against programs of the guest that do nothing: what is written is what counts."""
    for folder in ("boot", "etc/systemd/network", "var/lib", "var/log", "var/cache"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "boot/vmlinuz-6.1").touch()
    units = tmp_path / "lib/systemd/system"
    units.mkdir(parents=True)
    lines = ("After=x.service", "Before=sysinit.target", "Wants=time-set.target", "WantedBy=sysinit.target")
    (units / "systemd-timesyncd.service").write_text("\n".join(lines))
    (units / "systemd-resolved.service").touch()
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "chroot").write_text("#!/bin/sh\n")
    (stub / "chroot").chmod(0o755)
    environment = {"PATH": f"{stub}:{os.environ['PATH']}"}
    argv = ["sh", "-c", customize_hook(BOOT[arch], cloud_init=False), "sh", str(tmp_path)]
    subprocess.run(argv, env=environment, check=True)
    source = Path(golden.__file__).parent / "first_boot" / "start.sh"
    installed = tmp_path / "usr/lib/callao/first-boot"
    assert installed.read_text() == source.read_text()
    assert installed.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "boot/grub/grub.cfg").exists() is (arch == "x86_64")
    trigger = tmp_path / "etc/systemd/system/systemd-udev-trigger.service.d"
    assert [path.name for path in sorted(trigger.iterdir())] == (
        ["callao.conf"] if arch == "x86_64" else ["callao.conf", "console.conf"]
    ), "systemd reads the second after the first, which begins the list anew"
    changed = (tmp_path / "etc/systemd/system/systemd-timesyncd.service").read_text().splitlines()
    assert changed == [
        "After=x.service multi-user.target",
        "Before=shutdown.target",
        "WantedBy=multi-user.target",
    ]


def test_shellcheck_has_nothing_to_say_of_the_images_script() -> None:
    script = Path(golden.__file__).parent / "first_boot" / "start.sh"
    done = subprocess.run(
        ["shellcheck", "--shell=sh", str(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_mmdebstrap_is_told_suite_mode_and_mirror(tmp_path: Path) -> None:
    argv = mmdebstrap_argv(replace(BASE, mirror="http://m/debian"), tmp_path / "root.tar", "x86_64")
    assert argv[-3:] == ["bookworm", str(tmp_path / "root.tar"), "http://m/debian"]
    assert f"--mode={'root' if os.getuid() == 0 else 'unshare'}" in argv


def test_another_architectures_boot_loader_comes_from_the_images_archive(tmp_path: Path) -> None:
    argv = mmdebstrap_argv(Recipe("12", "aarch64"), tmp_path / "root.tar", "x86_64")
    assert "--architectures=arm64" in argv
    (download,) = [word for word in argv if "apt-get download" in word]
    assert "grub-efi-arm64-bin" in download
    copied = argv.index(f"--customize-hook=copy-out /tmp/grub/usr/lib/grub {tmp_path}")
    assert argv.index(download) < copied < len(argv) - 1
    assert not [word for word in mmdebstrap_argv(BASE, tmp_path, "x86_64") if "apt-get download" in word]


@pytest.mark.parametrize(
    ("entry", "registered"),
    [
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n", True),
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OC\noffset 0\n", False),
        ("disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n", False),
        ("", False),
    ],
)
def test_an_emulator_that_the_host_has_registered_counts_if_another_root_has_it_too(
    tmp_path: Path, entry: str, registered: bool
) -> None:
    if entry:
        (tmp_path / "qemu-aarch64").write_text(entry)
    assert is_registered("aarch64", tmp_path) is registered


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_sfdisk_takes_the_layout_and_the_root_is_last(arch: str, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    sfdisk = shutil.which("sfdisk", path="/usr/sbin:/sbin:/usr/bin") or "sfdisk"
    subprocess.run([sfdisk, "-q", str(image)], input=sfdisk_script(arch), text=True, check=True)
    table = json.loads(subprocess.check_output([sfdisk, "--json", str(image)]))["partitiontable"]
    assert [part["name"] for part in table["partitions"]] == ["bios", "esp", "root"]
    assert [part["start"] for part in table["partitions"]] == [2048, 8192, 139264]


def test_the_boot_sector_keeps_the_partition_table_and_points_at_the_core() -> None:
    table = bytes(range(256)) * 2
    sector = boot_sector(b"\xaa" * 512, table, 2048)
    assert len(sector) == 512
    assert struct.unpack_from("<Q", sector, 0x5C) == (2048,)
    assert sector[0x1B8:] == table[0x1B8:]
    assert sector[:0x5C] == b"\xaa" * 0x5C


def test_the_core_knows_where_its_rest_is_and_how_long() -> None:
    core = core_image(b"\xbb" * 5000, 2048)
    assert len(core) == 5120
    assert struct.unpack_from("<QHH", core, 0x1F4) == (2049, 9, 0x820)
    assert core[0x200:5000] == b"\xbb" * (5000 - 0x200)


def test_what_the_host_lacks_is_named_by_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("callao.golden.host.shutil.which", lambda *_, **__: None)
    lacking = missing_packages("x86_64")
    assert {"mmdebstrap", "mtools", "qemu-utils", "grub-common"} <= set(lacking)
    with pytest.raises(ImageError, match=r"apt-get install .*mmdebstrap"):
        refuse_unfit("x86_64", tmp_path)


def test_too_little_space_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("callao.golden.host._SPACE", 2**60)
    monkeypatch.setattr("callao.golden.host.missing_packages", lambda _: [])
    with pytest.raises(ImageError, match=r"GiB free, and a build takes"):
        refuse_unfit("x86_64", tmp_path)


def test_nothing_is_found_where_nothing_was_built(tmp_path: Path) -> None:
    assert find(BASE, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
