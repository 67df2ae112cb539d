# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into an image, and the key of all of it. Pure."""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import asdict, dataclass

from callao.errors import ImageError

REVISION = 1
"""Raise it when the way an image is built changes, so that older ones are not taken for it."""

SUITES = {"12": "bookworm", "13": "trixie"}
DEBIAN_ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}


class Kernel(enum.StrEnum):
    """Debian's two kernels for virtual machines."""

    CLOUD = "cloud"
    """Smaller and quicker to boot; without 9p."""
    GENERIC = "generic"
    """With every driver, 9p among them."""


@dataclass(frozen=True)
class Recipe:
    """One image. ``mirror`` is a Debian archive's URL; empty leaves the choice to mmdebstrap."""

    release: str
    arch: str
    kernel: Kernel = Kernel.CLOUD
    mirror: str = ""

    @property
    def suite(self) -> str:
        return SUITES[self.release]

    @property
    def debian_arch(self) -> str:
        return DEBIAN_ARCHES[self.arch]


def recipe(release: str, arch: str, kernel: str, mirror: str) -> Recipe:
    """A checked recipe.

    :raises ImageError: naming the option, the value and what is allowed.
    """
    for option, value, allowed in (
        ("release", release, SUITES),
        ("arch", arch, DEBIAN_ARCHES),
        ("kernel", kernel, [str(each) for each in Kernel]),
    ):
        if value not in allowed:
            raise ImageError(f"{option}: {value!r} cannot be built (allowed: {', '.join(allowed)}).")
    if mirror and not mirror.startswith(("http://", "https://", "file://", "copy://")):
        raise ImageError(f"mirror: {mirror!r} is not an archive's URL (allowed: http, https, file, copy).")
    return Recipe(release, arch, Kernel(kernel), mirror)


def packages(wanted: Recipe) -> tuple[str, ...]:
    """What makes a minimal Debian a cloud image: cloud-init, one network renderer, sshd, sshfs."""
    flavour = f"cloud-{wanted.debian_arch}" if wanted.kernel is Kernel.CLOUD else wanted.debian_arch
    return (
        f"linux-image-{flavour}", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "libpam-systemd",
        "dbus", "udev", "cloud-init", "cloud-guest-utils", "netplan.io", "openssh-server", "sudo",
        "ca-certificates", "iproute2", "e2fsprogs", "fdisk", "fuse3", "sshfs", "python3-apt", "procps",
        "iputils-ping", "less", "nftables", "vim-tiny", "zstd",
    )  # fmt: skip


def customisation() -> str:
    """The hook that mmdebstrap runs on the new root, ``$1``, before it is packed."""
    return _CUSTOMISE


def key(wanted: Recipe) -> str:
    """Hex digest of every input: the same inputs need no second build."""
    inputs = {**asdict(wanted), "packages": packages(wanted), "hook": _CUSTOMISE, "revision": REVISION}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


_CUSTOMISE = r"""
set -eu
root=$1
cat >"$root/etc/fstab" <<'FSTAB'
LABEL=root / ext4 errors=remount-ro,x-systemd.growfs 0 1
FSTAB
cat >"$root/etc/kernel-img.conf" <<'CONF'
do_symlinks = yes
image_dest = /
CONF
chroot "$root" linux-update-symlinks install "$(basename "$root"/boot/vmlinuz-* | sed s/^vmlinuz-//)" \
  "/$(cd "$root" && echo boot/vmlinuz-*)"
mkdir -p "$root/boot/grub"
cat >"$root/boot/grub/grub.cfg" <<'GRUB'
set timeout=0
linux /vmlinuz root=LABEL=root ro console=tty0 console=ttyS0,115200 quiet
initrd /initrd.img
boot
GRUB
cat >"$root/etc/cloud/cloud.cfg.d/90_datasource.cfg" <<'CLOUD'
datasource_list: [NoCloud, None]
CLOUD
chroot "$root" systemctl enable systemd-networkd systemd-resolved ssh >/dev/null 2>&1
chroot "$root" systemctl disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer >/dev/null 2>&1
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/dbus/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log
"""
