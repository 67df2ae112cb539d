# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration a distribution of WSL2 cannot have. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callao.config import Config, MountType
from callao.config.schema import PortForward, Proto
from callao.drivers.wsl2.places import is_on_drive
from callao.errors import Problem
from callao.host import Host

_ROOTFS = re.compile(r"\.(?:tar|tgz|txz|tbz2|tzst|tar\.(?:gz|xz|bz2|zstd|zst))")
_PACKED = r"(?:\.(?:gz|xz|bz2|zstd|zst))?"
_DISK_IMAGE = re.compile(rf".*\.(qcow2|raw|img|iso|ipsw){_PACKED}")
_SQUASHFS = re.compile(rf".*\.squashfs{_PACKED}")

_SUFFIXES = "tar, tgz, txz, tbz2, tzst, tar.gz, tar.xz, tar.bz2, tar.zst, tar.zstd"


def is_rootfs(location: str) -> bool:
    """Whether a location's name is that of a tar, by the endings that Lima takes."""
    name = location.partition("?")[0].rpartition("/")[2]
    return any(_ROOTFS.fullmatch(name, at) for at in range(len(name)) if name[at] == ".")


def problems(config: Config, host: Host) -> Iterator[Problem]:
    """Why it cannot be run."""
    if config.arch.value != host.arch:
        message = "is not this host's, and vmType wsl2 emulates no processor"
        yield Problem("arch", config.arch.value, message, f"{host.arch}, or vmType: qemu")
    for index, image in enumerate(config.images):
        if image.arch in (None, config.arch) and not is_rootfs(image.location):
            yield Problem(f"images[{index}].location", image.location, _no_rootfs(image.location), _SUFFIXES)
    for index, mount in enumerate(config.mounts if config.mount_type is MountType.WSL2 else ()):
        if not is_on_drive(mount.location):
            message = "is not on a drive of Windows, and a distribution sees nothing else of the host's"
            allowed = "a path below /mnt/c or another drive"
            yield Problem(f"mounts[{index}].location", mount.location, message, allowed)
    for index, rule in enumerate(config.port_forwards):
        yield from _of_rule(f"portForwards[{index}]", rule)
    if config.additional_disks:
        names = ", ".join(each.name for each in config.additional_disks)
        message = "is not for vmType wsl2: WSL attaches whole disks to all distributions at once"
        yield Problem("additionalDisks", names, message, "none")
    if config.tpm:
        yield Problem("tpm", True, "is not for vmType wsl2, which has no such device", "false")


def _no_rootfs(location: str) -> str:
    name = location.partition("?")[0]
    if found := _DISK_IMAGE.fullmatch(name):
        return f"is a disk image ({found[1]}), and WSL imports the tar of a root file system"
    if _SQUASHFS.fullmatch(name):
        return "is a squashfs image, and WSL imports the tar of a root file system: convert it first"
    return "is not named as the tar of a root file system, which WSL imports"


def _of_rule(place: str, rule: PortForward) -> Iterator[Problem]:
    """Windows itself forwards its localhost to the guest's ports, each to the same one."""
    if rule.guest_socket or rule.host_socket:
        return
    if rule.reverse:
        message = "is not for vmType wsl2: no program of the guest forwards to the host"
        yield Problem(f"{place}.reverse", True, message, "false")
    if rule.ignore:
        return
    if rule.guest_port_range != rule.host_port_range:
        message = "is another port than the guest's, and Windows forwards each port to the same one"
        yield Problem(
            f"{place}.hostPort", _range(rule.host_port_range), message, _range(rule.guest_port_range)
        )
    if rule.host_ip not in ("127.0.0.1", "::1", "localhost"):
        message = "is not Windows' localhost, from which alone it forwards"
        yield Problem(f"{place}.hostIP", rule.host_ip, message, "127.0.0.1")
    if rule.proto is Proto.UDP:
        yield Problem(f"{place}.proto", "udp", "is not forwarded by Windows", "tcp")


def _range(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def ignored(config: Config) -> Iterator[str]:
    """Sentences on what has no effect."""
    for index, rule in enumerate(config.port_forwards):
        if rule.ignore:
            yield (
                f"portForwards[{index}].ignore: has no effect with vmType wsl2: Windows forwards its "
                "localhost to each port of the guest."
            )
    for index, image in enumerate(config.images):
        if image.kernel or image.initrd:
            yield f"images[{index}]: kernel and initrd have no effect with vmType wsl2, which has its own."
