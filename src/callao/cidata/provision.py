# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's ``provision`` entries as files of the seed.

Each is ``provision.MODE/%08d``, numbered by its index in the list, as in Lima; the boot scripts report it as
``provision[N]``.
"""

from __future__ import annotations

from callao.config.schema import Config, Provision, ProvisionMode
from callao.errors import ConfigError, Problem

_SCRIPTS = frozenset(
    {ProvisionMode.SYSTEM, ProvisionMode.USER, ProvisionMode.BOOT, ProvisionMode.DEPENDENCY}
)
_DEFAULT_PERMISSIONS = "644"


def provision_files(config: Config) -> dict[str, bytes]:
    """The files: path on the seed to content.

    :raises ConfigError: for modes that need a program which the guest does not have.
    """
    problems = []
    files = {}
    for index, entry in enumerate(config.provision):
        path = f"provision.{entry.mode.value}/{index:08d}"
        where = f"provision[{index}]"
        if entry.mode in _SCRIPTS and entry.script is not None:
            files[path] = entry.script.encode()
        elif entry.mode in _SCRIPTS:
            location = entry.file.url if entry.file else None
            problems.append(Problem(f"{where}.file", location, "is not read yet", "script"))
        elif entry.mode is ProvisionMode.DATA:
            files[path] = (entry.content or "").encode()
        elif entry.mode is ProvisionMode.YQ:
            files[path] = (entry.expression or "").encode()
        else:
            allowed = "system, user, boot, dependency, data, yq"
            problems.append(Problem(f"{where}.mode", entry.mode.value, "is not supported yet", allowed))
    if problems:
        raise ConfigError(problems)
    return files


def file_variables(config: Config) -> dict[str, str]:
    """Variables for the boot scripts, of each ``mode: data`` and ``mode: yq``, under Lima's names."""
    variables: dict[str, str] = {}
    for index, entry in enumerate(config.provision):
        if entry.mode is ProvisionMode.DATA:
            overwrite = {"OVERWRITE": "true" if entry.overwrite else "false"}
            variables |= _of_file(f"LIMA_CIDATA_DATAFILE_{index:08d}_", entry, overwrite)
        elif entry.mode is ProvisionMode.YQ:
            form = {"FORMAT": entry.format or "auto"}
            variables |= _of_file(f"LIMA_CIDATA_YQ_PROVISION_{index:08d}_", entry, form)
    return variables


def _of_file(prefix: str, entry: Provision, more: dict[str, str]) -> dict[str, str]:
    fields = {
        **more,
        "OWNER": entry.owner,
        "PATH": entry.path or "",
        "PERMISSIONS": entry.permissions or _DEFAULT_PERMISSIONS,
    }
    return {f"{prefix}{name}": value for name, value in fields.items()}


def has_mode(config: Config, mode: ProvisionMode) -> bool:
    return any(entry.mode is mode for entry in config.provision)


def skips_default_dependencies(config: Config) -> bool:
    """Whether an entry of ``mode: dependency`` replaces the installation of Lima's default packages."""
    return any(
        entry.mode is ProvisionMode.DEPENDENCY and entry.skip_default_dependency_resolution
        for entry in config.provision
    )
