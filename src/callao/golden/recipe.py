# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of a golden image, and its cache key. Pure."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from callao.architectures import ARCHITECTURES
from callao.errors import ImageError
from callao.golden.architectures import BOOT
from callao.golden.hooks import customize_hook, essential_hook

REVISION = 2
"""To be increased when the build changes, so that older images are not reused."""

SUITES = {"12": "bookworm", "13": "trixie"}


class Kernel(enum.StrEnum):
    """Debian's two kernels for virtual machines."""

    CLOUD = "cloud"
    """Smaller and quicker to boot; without 9p. Debian has it for x86_64 and aarch64 alone."""
    GENERIC = "generic"
    """With every driver, 9p among them."""


_CLOUD_INIT = ("cloud-init", "cloud-guest-utils", "netplan.io")
_OWN_FIRST_BOOT = ("python3-yaml", "logsave")
"""The second is for the check of the root in the initrd."""

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Debian Policy, section 5.6.7."""


@dataclass(frozen=True)
class Recipe:
    """One image.

    :param mirror: a Debian archive's URL; empty leaves the choice to mmdebstrap.
    :param cloud_init: whether cloud-init sets the guest up, in place of our own first-boot system.
    :param packages: Debian packages beyond the usual ones.
    """

    release: str
    arch: str
    kernel: Kernel = Kernel.CLOUD
    mirror: str = ""
    cloud_init: bool = False
    packages: tuple[str, ...] = ()

    @property
    def suite(self) -> str:
        return SUITES[self.release]

    @property
    def debian_arch(self) -> str:
        return ARCHITECTURES[self.arch].debian


def recipe(
    release: str,
    arch: str,
    kernel: str,
    mirror: str,
    *,
    cloud_init: bool = False,
    packages: Sequence[str] = (),
) -> Recipe:
    """A checked recipe.

    :raises ImageError: naming the option, the value and what is allowed.
    """
    for option, value, allowed in (
        ("release", release, SUITES),
        ("arch", arch, BOOT),
        ("kernel", kernel, [str(each) for each in Kernel]),
    ):
        if value not in allowed:
            raise ImageError(f"{option}: {value!r} cannot be built (allowed: {', '.join(allowed)}).")
    if release not in BOOT[arch].releases:
        releases = ", ".join(BOOT[arch].releases)
        raise ImageError(f"release: {release!r} has no {arch} in Debian (allowed: {releases}).")
    if mirror and not mirror.startswith(("http://", "https://", "file://", "copy://")):
        raise ImageError(f"mirror: {mirror!r} is not an archive's URL (allowed: http, https, file, copy).")
    for name in packages:
        if not _PACKAGE.fullmatch(name):
            raise ImageError(
                f"packages: {name!r} is not the name of a Debian package (allowed: lower case letters, "
                "digits, '+', '-' and '.')."
            )
    return Recipe(release, arch, Kernel(kernel), mirror, cloud_init, tuple(sorted(set(packages))))


def all_packages(wanted: Recipe) -> tuple[str, ...]:
    """The packages of an image: a minimal Debian with a first-boot system, networking, sshd and sshfs."""
    boot = BOOT[wanted.arch]
    flavour = boot.cloud_kernel if wanted.kernel is Kernel.CLOUD and boot.cloud_kernel else boot.kernel
    usual = (
        f"linux-image-{flavour}", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "libpam-systemd",
        "dbus", "udev", "openssh-server", "sudo", "ca-certificates", "iproute2", "e2fsprogs", "fdisk",
        "fuse3", "sshfs", "rsync", "python3-apt", "procps", "iputils-ping", "less", "nftables", "vim-tiny",
        "zstd",
        *(_CLOUD_INIT if wanted.cloud_init else _OWN_FIRST_BOOT),
    )  # fmt: skip
    return (*usual, *(name for name in wanted.packages if name not in usual))


def recipe_key(wanted: Recipe) -> str:
    """Hex digest of every input: the same inputs need no second build."""
    inputs = {
        **asdict(wanted),
        "packages": all_packages(wanted),
        "hooks": [
            essential_hook(cloud_init=wanted.cloud_init),
            customize_hook(BOOT[wanted.arch], cloud_init=wanted.cloud_init),
        ],
        "revision": REVISION,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
