# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a configuration this host and the chosen driver can do: refused, or told, never silent."""

from __future__ import annotations

import msgspec

from callao.config import Config, to_document
from callao.drivers import driver_for
from callao.errors import ConfigError, DriverError
from callao.host import Host

_BY_THE_ENGINE = frozenset(
    {
        "minimumLimaVersion", "vmType", "os", "arch", "images", "ssh", "provision", "upgradePackages",
        "probes", "portForwards", "message", "env", "param", "propagateProxyEnv", "caCerts", "plain",
        "timezone", "user", "hostResolver", "mountType", "mountTypesUnsupported", "guestInstallPrefix",
        "mounts", "dns",
    }
)  # fmt: skip
"""Fields that the engine acts on itself, whatever the driver."""


def refuse_unsupported(config: Config, host: Host) -> None:
    """Raise unless this host can run ``config``; nothing is touched.

    :raises ConfigError: naming each field that the driver cannot do.
    :raises DriverError: naming each program that the host lacks.
    """
    driver = driver_for(config.vm_type)
    problems = driver.validate(config, host)
    if problems:
        raise ConfigError(problems)
    missing = driver.missing(config)
    if missing:
        raise DriverError(" ".join(missing))


def notices(config: Config) -> tuple[str, ...]:
    """One sentence for each field that is set and has no effect in this version."""
    honoured = driver_for(config.vm_type).features.honoured | _BY_THE_ENGINE
    said = to_document(config)
    unsaid = {field.encode_name: field.default for field in msgspec.structs.fields(config)}
    return tuple(
        f"{key}: has no effect in this version of Callao with vmType {config.vm_type}."
        for key, value in said.items()
        if key not in honoured and value and not _is_default(value, unsaid.get(key))
    )


def _is_default(value: object, default: object) -> bool:
    return msgspec.to_builtins(default) == value if default is not msgspec.NODEFAULT else False
