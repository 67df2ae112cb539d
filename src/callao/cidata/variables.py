# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables of the scripts in the guest, under Lima's public names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from callao.architectures import ARCHITECTURES, lima_name
from callao.cidata.disks import disk_variables
from callao.cidata.provision import file_variables, skips_default_dependencies
from callao.cidata.seed import Seed
from callao.config.containerd import wants_containerd
from callao.config.schema import Config, Mount
from callao.config.shares import has_rosetta

CONTAINERD_ARCHIVE = "nerdctl-full.tgz"
"""The name on the seed of the archive that containerd is installed from, which is Lima's."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def lima_variables(seed: Seed) -> dict[str, str]:
    """``LIMA_CIDATA_*``; the mount point is added in the guest."""
    config, user = seed.config, seed.config.user
    home_mount = [
        mount.mount_point for mount in _mounts(seed) if mount.location == seed.environment.get("HOME")
    ]
    variables = {
        "NAME": seed.name,
        "USER": user.name,
        "UID": str(user.uid),
        "COMMENT": user.comment,
        "HOME": user.home,
        "SHELL": user.shell,
        "HOSTHOME_MOUNTPOINT": home_mount[0] if home_mount else "",
        "MOUNTS": str(len(_mounts(seed))),
        **{f"MOUNTS_{index}_MOUNTPOINT": mount.mount_point for index, mount in enumerate(_mounts(seed))},
        "MOUNTTYPE": config.mount_type.value,
        **disk_variables(config.additional_disks),
        "GUEST_INSTALL_PREFIX": config.guest_install_prefix,
        "UPGRADE_PACKAGES": _flag(config.upgrade_packages),
        "CONTAINERD_USER": _flag(config.containerd.user and not config.plain),
        "CONTAINERD_SYSTEM": _flag(config.containerd.system and not config.plain),
        "SLIRP_GATEWAY": seed.network.gateway,
        "SLIRP_DNS": seed.network.dns,
        "SLIRP_IP_ADDRESS": seed.network.guest,
        "SKIP_DEFAULT_DEPENDENCY_RESOLUTION": _flag(skips_default_dependencies(config)),
        "VMTYPE": config.vm_type.value,
        "TIMEZONE": config.timezone,
        "PLAIN": _flag(config.plain),
    }
    if has_rosetta(config):
        variables["ROSETTA_BINFMT"] = _flag(config.vm_opts.vz.rosetta.binfmt)
    if config.binfmt:
        variables["BINFMT"] = " ".join(emulated_architectures(config))
    if wants_containerd(config):
        variables["CONTAINERD_ARCHIVE"] = CONTAINERD_ARCHIVE
    if seed.guest_port:
        variables["VSOCK_PORT"] = str(seed.guest_port)
    return {f"LIMA_CIDATA_{name}": value for name, value in variables.items()} | file_variables(config)


def emulated_architectures(config: Config) -> list[str]:
    """QEMU's names of the architectures in ``binfmt``, without the guest's own."""
    wanted = dict.fromkeys(map(lima_name, config.binfmt))
    return [ARCHITECTURES[name].qemu for name in wanted if name != config.arch]


def parameters(seed: Seed) -> dict[str, str]:
    """``PARAM_*``, from ``param``."""
    return {f"PARAM_{name}": value for name, value in seed.config.param.items()}


def plain_lines(variables: Mapping[str, str]) -> bytes:
    """``NAME=value`` lines, unquoted, as in Lima's lima.env and param.env."""
    return "".join(f"{name}={value}\n" for name, value in variables.items()).encode()


def shell_exports(variables: Mapping[str, str]) -> str:
    """Lines that a POSIX shell can source; variables whose names are not valid in a shell are omitted."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in variables.items()
        if _IDENTIFIER.fullmatch(name)
    )


def pam_lines(variables: Mapping[str, str]) -> bytes:
    """Lines for /etc/environment, quoted, because pam_env(8) removes one pair of quotes."""
    return "".join(f'{name}="{value}"\n' for name, value in variables.items()).encode()


def _mounts(seed: Seed) -> tuple[Mount, ...]:
    return () if seed.config.plain else seed.config.mounts


def _flag(value: bool) -> str:
    return "1" if value else ""
