# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the files of the seed."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from importlib import resources

from callao.cidata import variables
from callao.cidata.disks import disk_script
from callao.cidata.document import dump
from callao.cidata.first_boot import first_boot_files
from callao.cidata.hosts import etc_hosts
from callao.cidata.network import network_config
from callao.cidata.provision import has_mode, provision_files, skips_default_dependencies
from callao.cidata.proxies import guest_environment
from callao.cidata.seed import Seed
from callao.cidata.userdata import HEADING, user_data
from callao.config.containerd import archive_version, wants_containerd
from callao.config.schema import Config, MountType, ProvisionMode, VMType
from callao.config.shares import device_mounts, guest_mount, has_rosetta
from callao.errors import ConfigError, Problem
from callao.guest.zipapp import zipapp_bytes


def seed_files(seed: Seed) -> dict[str, bytes]:
    """The files of one instance's seed: path to content.

    Pure, except that it reads the certificates in ``caCerts.files``. The instance-id is a hash of all other
    files, so cloud-init repeats its per-instance work only when one of them has changed.

    :raises ConfigError: when a certificate file cannot be read, or a value cannot be represented.
    """
    environment = _environment(seed)
    early = has_mode(seed.config, ProvisionMode.BOOT) or bool(environment and not seed.config.plain)
    user = user_data(seed, _script("entry.sh"), _script("name-nics.sh"), early=early)
    network = network_config(seed)
    files = {
        "user-data": dump(user, heading=HEADING),
        "network-config": dump(network),
        **first_boot_files(user, network, early=early),
        **_variables(seed, environment),
        **_boot_scripts(seed.config),
        **provision_files(seed.config),
    }
    if not seed.config.plain:
        files["etc_environment"] = variables.pam_lines(environment)
        files["etc_hosts"] = etc_hosts(seed).encode()
        if seed.config.additional_disks:
            files["boot/05-disks.sh"] = disk_script(seed.config.additional_disks).encode()
        files |= _device_mounts(seed.config)
        if wants_containerd(seed.config):
            files["nerdctl-full.version"] = archive_version(seed.config).encode()
        if _has_guest_program(seed.config):
            files["lima-guestagent.pyz"] = zipapp_bytes()
    identity = {"instance-id": instance_id(files), "local-hostname": seed.hostname}
    return {"meta-data": dump(identity), **files}


def instance_id(files: Mapping[str, bytes]) -> str:
    """The instance-id for cloud-init, of a seed with these files."""
    return f"iid-{_digest({path: data for path, data in files.items() if path != 'meta-data'})}"


def _environment(seed: Seed) -> dict[str, str]:
    env = {name: value for name, value in seed.config.env.items() if name}  # a null key has no name
    problems = [
        Problem(f"env.{name}", value, "a line break cannot stand in /etc/environment", "one line")
        for name, value in env.items()
        if "\n" in value or "\r" in value
    ]
    if problems:
        raise ConfigError(problems)
    return guest_environment(
        env, seed.environment, seed.network.gateway, propagate=seed.config.propagate_proxy_env
    )


def _variables(seed: Seed, environment: Mapping[str, str]) -> dict[str, bytes]:
    lima, params = variables.lima_variables(seed), variables.parameters(seed)
    everything = lima | params | dict(environment)
    exports = variables.shell_exports(everything)
    files = {
        "lima.env": variables.plain_lines(lima),
        "param.env": variables.plain_lines(params),
        "env.sh": exports.encode(),
    }
    if has_mode(seed.config, ProvisionMode.USER):
        files["user-run.sh"] = f"#!/bin/sh\n{exports}{_script('user-run.sh')}".encode()
    return files


def _device_mounts(config: Config) -> dict[str, bytes]:
    lines = [
        shlex.join(["mount_share", each.type, each.source, each.point, each.options])
        for each in (guest_mount(mount, config.mount_type) for mount in device_mounts(config))
    ]
    return {"mounts.sh": ("\n".join(lines) + "\n").encode()} if lines else {}


def _boot_scripts(config: Config) -> dict[str, bytes]:
    """The boot scripts in Lima's folders: plain instances get those in ``boot.essential`` only."""
    names = ["first-boot.sh", "boot.sh", "files.sh", "boot.essential/10-alpine.sh"]
    names += ["boot.essential/20-ssh-vsock.sh"] if config.ssh.over_vsock else []
    names += ["boot.essential/60-no-guest-program.sh"] if config.plain else []
    if not config.plain:
        names += ["boot/05-mounts.sh"] if device_mounts(config) else []
        names += ["boot/20-home.sh", "boot/30-hosts.sh", "boot/40-environment.sh", "boot/50-timezone.sh"]
        names += ["boot/35-gpu.sh"] if config.vm_type is VMType.KRUNKIT else []
        names += ["boot/35-rosetta.sh"] if has_rosetta(config) else []
        names += ["boot/60-guest-program.sh"] if _has_guest_program(config) else []
        wanted = config.mounts and config.mount_type is MountType.REVERSE_SSHFS
        if wanted and not skips_default_dependencies(config):
            names.append("boot.packages/10-sshfs.sh")
        names += ["boot.packages/30-binfmt.sh"] if variables.emulated_architectures(config) else []
        if wants_containerd(config):
            if not skips_default_dependencies(config):
                names.append("boot.packages/20-containerd-packages.sh")
            names.append("boot.packages/40-containerd.sh")
    if config.vm_type is VMType.WSL2:
        names += ["wsl-boot.sh", "wsl-sshd.sh"]
    if has_mode(config, ProvisionMode.USER) or (config.containerd.user and not config.plain):
        names.append("user.sh")
    if has_mode(config, ProvisionMode.DATA):
        names.append("data.sh")
    if has_mode(config, ProvisionMode.YQ):
        names.append("edit.sh")
    return {name: _script(name.rpartition("/")[2]).encode() for name in names}


def _has_guest_program(config: Config) -> bool:
    """Windows forwards the ports of a distribution, and all distributions have one network: a program there
    would report those of the others, too."""
    return config.vm_type is not VMType.WSL2


def _script(name: str) -> str:
    return (resources.files("callao.cidata") / "scripts" / name).read_text(encoding="utf-8")


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(f"{path}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:32]
