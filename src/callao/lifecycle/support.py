# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration this host and the chosen driver can do: refused, or told, never silent."""

from __future__ import annotations

from callao import cidata
from callao.config import Config
from callao.drivers import driver_for
from callao.errors import ConfigError, DriverError, Problem
from callao.host import Host
from callao.instances import Desired

_SMALLEST = 2**20
"""Bytes below which no memory and no disk is of use."""

_BY_THE_ENGINE = frozenset(
    {
        "minimumLimaVersion", "vmType", "os", "arch", "images", "ssh", "provision", "upgradePackages",
        "probes", "portForwards", "message", "env", "param", "propagateProxyEnv", "caCerts", "plain",
        "timezone", "user", "hostResolver", "mountType", "mountTypesUnsupported", "guestInstallPrefix",
        "mounts", "mountInotify", "dns", "warm",
    }
)  # fmt: skip
"""Fields that the engine acts on itself, whatever the driver."""


def refuse_unsupported(config: Config, name: str, host: Host) -> None:
    """Raise unless this host can run ``config`` and hand it to a guest; nothing is touched.

    :raises ConfigError: naming each field that the driver cannot do, or that no seed can carry.
    :raises DriverError: naming each program that the host lacks.
    """
    driver = driver_for(config.vm_type)
    problems = [*_tiny_sizes(config), *driver.validate(config, host)]
    if config.mounts and config.mount_type not in driver.features.mount_types:
        allowed = ", ".join(sorted(driver.features.mount_types))
        message = f"is not for vmType {config.vm_type}"
        problems.append(Problem("mountType", config.mount_type.value, message, allowed))
    if problems:
        raise ConfigError(problems)
    missing = driver.missing(config)
    if missing:
        raise DriverError(" ".join(missing))
    cidata.content(cidata.Seed(name, config, (), "", "", "", {}))


def _tiny_sizes(config: Config) -> list[Problem]:
    """A number without a unit is bytes, as in Lima; nobody means that few of them."""
    return [
        Problem(
            field, size, f"is {size} bytes, and {size}MiB may be meant", "a size with a unit, such as 2GiB"
        )
        for field, size in (("memory", config.memory), ("disk", config.disk))
        if size < _SMALLEST
    ]


def notices(wanted: Desired) -> tuple[str, ...]:
    """One sentence for each field that the document sets and this version does not act on."""
    config = wanted.config
    features = driver_for(config.vm_type).features
    honoured = features.honoured | _BY_THE_ENGINE
    told = [
        f"{key}: has no effect in this version of Callao with vmType {config.vm_type}."
        for key, value in wanted.document.items()
        if key not in honoured and value
    ]
    if config.mounts and "mountType" not in wanted.document and config.mount_types_unsupported:
        lacking = ", ".join(config.mount_types_unsupported)
        told.append(
            f"mountType: this guest's kernel has no {lacking} (mountTypesUnsupported): "
            f"{config.mount_type} is used."
        )
    return tuple(told)
