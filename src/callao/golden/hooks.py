# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks that mmdebstrap runs on the new root, as text. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from importlib import resources

from callao.golden.architectures import BootSetup

_LIB = "/usr/lib/callao"

_FIRST_BOOT = (
    ("callao.golden", "first_boot/start.sh", f"{_LIB}/first-boot", 0o755),
    (
        "callao.golden",
        "first_boot/cloud_config.py",
        f"{_LIB}/python/callao/golden/first_boot/cloud_config.py",
        0o644,
    ),
    ("callao.cidata", "first_boot.py", f"{_LIB}/python/callao/cidata/first_boot.py", 0o644),
    ("callao.cidata", "scripts/first-boot.sh", f"{_LIB}/first-boot.sh", 0o644),
    *(
        ("callao.golden", f"first_boot/{unit}", f"/etc/systemd/system/{unit}", 0o644)
        for unit in ("callao-first-boot.service", "callao-boot.service")
    ),
)
"""Package, resource, place in the image, mode."""

_INITRAMFS = (
    ("callao.golden", "initramfs/hook", "/etc/initramfs-tools/hooks/callao", 0o755),
    *(
        ("callao.golden", f"initramfs/{name}", f"/etc/initramfs-tools/scripts/{place}", 0o755)
        for name, place in (
            ("init-top-udev", "init-top/udev"),
            ("local-block-udev", "local-block/callao-udev"),
            ("init-bottom-udev", "init-bottom/udev"),
        )
    ),
)


def essential_hook(*, cloud_init: bool) -> str:
    """A shell script that gets the root's folder as ``$1``, before the kernel is installed."""
    return _HEAD if cloud_init else _HEAD + _install_files(_INITRAMFS) + _INITRAMFS_SETUP


def customize_hook(boot: BootSetup, *, cloud_init: bool) -> str:
    """A shell script that gets the root's folder as ``$1``, before it is packed."""
    return (
        _HEAD
        + (_BOOT_LOADER if boot.loader is not None else "")
        + _SERVICES
        + (_CLOUD_INIT if cloud_init else _own_first_boot(boot))
        + _CLEAN_UP
    )


def grub_hooks(packages: Iterable[str], folder: str) -> list[str]:
    """Hooks that leave GRUB's modules of these packages in ``folder`` on the host, and nothing in the root.

    The host's apt and dpkg read the packages: those of another architecture cannot be installed here.
    """
    names = shlex.join(sorted(set(packages)))
    return [
        f'{_HEAD}mkdir "$root/tmp/grub"\ncd "$root/tmp/grub"\n'
        f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get download -qq {names}\n'
        'for package in *.deb; do dpkg-deb -x "$package" .; done\n',
        f"copy-out /tmp/grub/usr/lib/grub {shlex.quote(folder)}",
        f'{_HEAD}rm -r "$root/tmp/grub"\n',
    ]


def _own_first_boot(boot: BootSetup) -> str:
    return (
        _install_files(_FIRST_BOOT)
        + _FSTAB
        + (_WRITABLE_ROOT if boot.loader is not None else "")
        + _OWN_FIRST_BOOT
        + (resources.files("callao.golden") / "quick_boot.sh").read_text(encoding="utf-8")
        + (_TRIGGER_CONSOLE.format(name=shlex.quote(boot.console)) if boot.console else "")
    )


def _install_files(files: Iterable[tuple[str, str, str, int]]) -> str:
    return "".join(
        _install_file((resources.files(package) / name).read_text(encoding="utf-8"), path, mode)
        for package, name, path, mode in files
    )


def _install_file(text: str, path: str, mode: int) -> str:
    folder = path.rpartition("/")[0]
    return (
        f'mkdir -p "$root{folder}"\n'
        f'printf %s {shlex.quote(text)} >"$root{path}"\n'
        f'chmod {mode:o} "$root{path}"\n'
    )


_HEAD = """
set -eu
root=$1
"""

_INITRAMFS_SETUP = r"""
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/systemd/network"
# The type is that of the root, which the initrd checks while nothing else runs: see initramfs.conf(5).
printf '%s\n' MODULES=list FSTYPE=ext4 >"$root/etc/initramfs-tools/conf.d/callao"
# NICs keep the kernel's names: the seed says which is which.
ln -s /dev/null "$root/etc/systemd/network/99-default.link"
"""

_BOOT_LOADER = r"""
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
"""

_SERVICES = r"""chroot "$root" systemctl enable systemd-networkd systemd-resolved ssh >/dev/null 2>&1
chroot "$root" systemctl disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer >/dev/null 2>&1
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
"""

_CLOUD_INIT = r"""
cat >"$root/etc/fstab" <<'FSTAB'
LABEL=root / ext4 errors=remount-ro,x-systemd.growfs 0 1
FSTAB
cat >"$root/etc/cloud/cloud.cfg.d/90_datasource.cfg" <<'CLOUD'
datasource_list: [NoCloud, None]
CLOUD
"""

_FSTAB = r"""
cat >"$root/etc/fstab" <<'FSTAB'
LABEL=root / ext4 errors=remount-ro 0 1
FSTAB
"""

_WRITABLE_ROOT = r"""sed -i '/^linux/s/ ro / rw /' "$root/boot/grub/grub.cfg"
"""

_OWN_FIRST_BOOT = r"""cat >"$root/etc/hosts" <<'HOSTS'
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
HOSTS
chroot "$root" systemctl enable callao-first-boot.service callao-boot.service >/dev/null 2>&1
"""

_TRIGGER_CONSOLE = r"""
# Comes after the list of devices in callao.conf, which lacks this one: the login prompt waits for it.
printf '[Service]\nExecStart=-udevadm trigger --type=devices --action=add --sysname-match=%s\n' {name} \
  >"$root/etc/systemd/system/systemd-udev-trigger.service.d/console.conf"
"""

_CLEAN_UP = r"""
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/dbus/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log
# Or the first boot would do again what installing the packages did: see systemd-update-done.service(8).
touch "$root/etc/.updated" "$root/var/.updated"
"""
