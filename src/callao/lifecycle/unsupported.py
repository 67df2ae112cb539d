# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses, or warns about, what this host and the chosen driver do not support in a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from callao import cidata
from callao.config import Config
from callao.config.containerd import archives, wants_containerd
from callao.config.driver_choice import others
from callao.config.notices import notices as of_document
from callao.config.schema import ProvisionMode
from callao.disks import store
from callao.drivers import driver_for
from callao.errors import ConfigError, DriverError, Problem
from callao.host import Host

_MIN_SIZE = 2**20
"""Bytes below which a size of memory or disk is certainly a mistake."""

_ENGINE_FIELDS = frozenset(
    {
        "minimumLimaVersion", "vmType", "os", "arch", "images", "ssh", "provision", "upgradePackages",
        "probes", "portForwards", "message", "env", "param", "propagateProxyEnv", "caCerts", "plain",
        "timezone", "user", "hostResolver", "mountType", "mountTypesUnsupported", "guestInstallPrefix",
        "mounts", "mountInotify", "dns", "warm", "hostname", "egress", "binfmt", "secrets",
        "copyToHost", "containerd",
    }
)  # fmt: skip
"""Fields that the engine handles itself, whatever the driver."""


_UNSUPPORTED_SYSTEMS = {
    "FreeBSD": "boot scripts for its rc(8), and networking without netplan",
    "Darwin": "vmType vz and its installer of IPSW images",
    "Windows": "an answer file, virtio drivers and boot scripts for PowerShell",
}
"""Guest systems of lima.yaml that this version does not support, and what each would need."""


def refuse_unsupported(config: Config, name: str, host: Host, *, new: bool = True) -> None:
    """Raise unless this host can run ``config``; changes nothing.

    :param new: whether the instance is being created; an existing one starts with what it always had.
    :raises ConfigError: naming each field that the driver or the seed does not support.
    :raises DriverError: naming each program that the host lacks.
    """
    refuse_impossible(config, name, host, new=new)
    missing = driver_for(config.vm_type).missing(config)
    if missing:
        raise DriverError(" ".join(missing), hint=_other_drivers(config, host))


def refuse_folder(config: Config, folder: Path) -> None:
    """Check that the driver's hypervisor can be told the paths of the instance's files.

    :raises ConfigError: naming the character that it cannot be told.
    """
    forbidden = driver_for(config.vm_type).features.forbidden
    found = next((each for each in str(folder) if each in forbidden), "")
    if found:
        message = f"has {found!r}, which no option of the program for vmType {config.vm_type} can have"
        raise ConfigError([Problem("LIMA_HOME", folder.parent, message, f"a path without {found!r}")])


def refuse_disks(config: Config, home: Path) -> None:
    """Check that the driver's machines can have the additional disks, which exist.

    :raises ConfigError: naming each that they cannot have.
    """
    formats = driver_for(config.vm_type).features.disk_formats
    found = []
    for index, each in enumerate(config.additional_disks):
        disk = store.inspect(each.name, home)
        if disk.format not in formats:
            message = f"is a {disk.format} disk, which a machine of vmType {config.vm_type} cannot have"
            copy = f"callao disk import NAME {disk.paths.image} --format {min(formats)}"
            found.append(Problem(f"additionalDisks[{index}]", each.name, message, f"a copy of it: {copy}"))
    if found:
        raise ConfigError(found)


def _other_drivers(config: Config, host: Host) -> str:
    """What of the host's other drivers could run it, and why one was not chosen."""
    legacy = {"legacyBIOS": config.firmware.legacy_bios}
    return others({"arch": config.arch.value, "firmware": legacy}, host, config.vm_type)


def refuse_impossible(config: Config, name: str, host: Host, *, new: bool = True) -> None:
    """Do the same without checking the host's programs: only what no installation would change.

    :raises ConfigError: naming each field that the driver or the seed does not support.
    :raises DriverError: when there is no such driver.
    """
    if config.os.value in _UNSUPPORTED_SYSTEMS:
        message = f"has no guests in this version: it would need {_UNSUPPORTED_SYSTEMS[config.os.value]}"
        raise ConfigError([Problem("os", config.os.value, message, "Linux")])
    driver = driver_for(config.vm_type)
    problems = [
        *_missing_units(config),
        *_user_problems(config),
        *_yq_problems(config),
        *_containerd_problems(config),
        *driver.validate(config, host),
    ]
    if new:
        problems += _truncated_values(config)
    if config.mounts and config.mount_type not in driver.features.mount_types:
        allowed = ", ".join(sorted(driver.features.mount_types))
        message = f"is not for vmType {config.vm_type}"
        problems.append(Problem("mountType", config.mount_type.value, message, allowed))
    if config.egress is not None and "egress" not in driver.features.honoured:
        message = f"cannot be enforced with vmType {config.vm_type}"
        problems.append(Problem("egress", "rules", message, "vmType qemu, or no egress"))
    if problems:
        raise ConfigError(problems)
    cidata.seed_files(cidata.Seed(name, config, (), "", "", "", {}))


_SYSTEM_USERS = frozenset(
    {
        "_apt", "adm", "avahi", "backup", "bin", "chrony", "daemon", "dbus", "ftp", "games", "gnats",
        "halt", "http", "irc", "list", "lp", "mail", "man", "messagebus", "news", "nobody", "ntp",
        "operator", "polkitd", "postfix", "proxy", "rpc", "rpcuser", "shutdown", "sshd", "sync", "sys",
        "syslog", "systemd-coredump", "systemd-network", "systemd-resolve", "systemd-timesync",
        "tcpdump", "tss", "uucp", "uuidd", "www-data",
    }
)  # fmt: skip
"""Accounts without a login shell in images of Alpine, Arch, Debian, Fedora and related systems."""

_SYSTEM_PREFIXES = ("_", "systemd-")
"""Prefixes of names that Debian and systemd reserve for such accounts."""

_NO_SHELLS = frozenset({"nologin", "false", "true", "sync", "halt", "shutdown"})


def _user_problems(config: Config) -> list[Problem]:
    """Problems of ``user``: cloud-init changes no existing account, and system accounts have no login."""
    name = config.user.name
    problems = []
    if name in _SYSTEM_USERS or name.startswith(_SYSTEM_PREFIXES):
        message = "is a system account of the guest, with no login"
        problems.append(Problem("user.name", name, message, "another name"))
    shell = config.user.shell
    if shell.rpartition("/")[2] in _NO_SHELLS:
        problems.append(Problem("user.shell", shell, "lets nobody log in", "a shell, such as /bin/bash"))
    return problems


def _yq_problems(config: Config) -> list[Problem]:
    """Problems of provision mode ``yq``: expressions that jq evaluates otherwise than yq."""
    entries = [
        (f"provision[{index}]", entry)
        for index, entry in enumerate(config.provision)
        if entry.mode is ProvisionMode.YQ
    ]
    if not entries:
        return []
    from callao.config.yq import Unsupported, yq_to_jq
    from callao.config.yq_edit import FORMATS, form_of

    problems = []
    for place, entry in entries:
        format_name = form_of(entry.format or "auto", entry.path or "")
        if format_name not in FORMATS:
            problems.append(
                Problem(f"{place}.format", format_name, "is not edited in this version", "json, yaml")
            )
        if not config.user.passwordless_sudo:
            message = "needs user.passwordlessSudo: the host makes the edit by ssh"
            problems.append(Problem(f"{place}.mode", "yq", message, "data, or a script"))
        try:
            yq_to_jq(entry.expression or "")
        except Unsupported as error:
            allowed = "an expression that yq and jq read alike"
            problems.append(
                Problem(f"{place}.expression", (entry.expression or "")[:60], str(error), allowed)
            )
    return problems


def _containerd_problems(config: Config) -> list[Problem]:
    if not wants_containerd(config) or archives(config):
        return []
    message = f"has no archive for {config.arch.value}, and none is published"
    return [Problem("containerd.archives", [], message, "the location of one, or containerd.user: false")]


def _truncated_values(config: Config) -> list[Problem]:
    return [
        Problem(f"env.{name}", value, "pam_env cuts /etc/environment's lines off at '#'", "no '#'")
        for name, value in config.env.items()
        if "#" in value and not config.plain
    ]


def existing_instance_notices(config: Config) -> tuple[str, ...]:
    """Warnings for an existing instance about what a new one would be refused for."""
    return tuple(str(each) for each in _truncated_values(config))


def _missing_units(config: Config) -> list[Problem]:
    """Problems of sizes without a unit: they are bytes, as in Lima, and too few to be meant."""
    return [
        Problem(
            field, size, f"is {size} bytes, and {size}MiB may be meant", "a size with a unit, such as 2GiB"
        )
        for field, size in (("memory", config.memory), ("disk", config.disk))
        if size < _MIN_SIZE
    ]


def notices(document: Mapping[str, object], config: Config) -> tuple[str, ...]:
    """A notice for each field of the document that has no effect in this version, and for what Lima would do
    and this version does not.
    """
    features = driver_for(config.vm_type).features
    honoured = features.honoured | _ENGINE_FIELDS
    given, defaults = msgspec.to_builtins(config), _common_defaults()
    messages = [
        f"{key}: has no effect in this version of Callao with vmType {config.vm_type}."
        for key in document
        if key in defaults and key not in honoured and given[key] != defaults[key]
    ]
    if config.firmware.images:
        messages.append(
            "firmware.images: has no effect in this version of Callao: the host's firmware is used."
        )
    if config.ssh.over_vsock and not features.ssh_over_vsock:
        messages.append(
            f"ssh.overVsock: has no effect with vmType {config.vm_type} on this host, which has no "
            "/dev/vhost-vsock that this user can open: ssh goes by the port."
        )
    if config.mounts and "mountType" not in document and config.mount_types_unsupported:
        lacking = ", ".join(config.mount_types_unsupported)
        messages.append(
            f"mountType: this guest's kernel has no {lacking} (mountTypesUnsupported): "
            f"{config.mount_type} is used."
        )
    return (*of_document(document), *messages)


def new_instance_notices(document: Mapping[str, object]) -> tuple[str, ...]:
    """Notices that are given once, when an instance is created."""
    containerd = document.get("containerd")
    if document.get("plain") or (isinstance(containerd, Mapping) and containerd.get("user") is not None):
        return ()
    return (
        "containerd: is not installed, as by Lima it would be: 'containerd: {user: true}' does it, and "
        "'{user: false}' ends this notice.",
    )


def _common_defaults() -> dict[str, Any]:
    """The defaults that do not depend on the host, as plain values."""
    defaults = {}
    for field in msgspec.structs.fields(Config):
        default = field.default_factory() if callable(field.default_factory) else field.default
        if default is not msgspec.NODEFAULT:
            defaults[field.encode_name] = msgspec.to_builtins(default)
    return defaults
