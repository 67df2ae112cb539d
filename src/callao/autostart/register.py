# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers an instance with this host's login manager, and removes it again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from callao import system
from callao.atomic import write_file
from callao.autostart import launchd, systemd
from callao.autostart.login_item import LoginItem
from callao.errors import CallaoError


def is_enabled(name: str, home: Path) -> bool:
    """Whether this instance is started at login, by an entry of ours or of limactl's."""
    entry = _login_item(_manager(), name)
    return entry is not None and entry.starts(name, home)


def enable(name: str, home: Path) -> None:
    """Have the instance started when its user logs in.

    :raises CallaoError: when this host has no such manager, or the entry is another instance's.
    """
    manager = _manager()
    if not str(home).isprintable():
        raise CallaoError(f"autostart: {str(home)!r}: no LIMA_HOME that a login's manager can be told.")
    if manager is systemd and not systemd.supported():
        raise CallaoError(
            f"autostart: instance {name!r} cannot be started at login: this host has neither systemd nor "
            "launchd.",
            hint=f"Run 'callao start {name}' by what starts programs here.",
        )
    _refuse_another(manager, name, home)
    path: Path = manager.path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, manager.render(name, home).encode())
        _switch_on(manager, name, path)
    except OSError as error:
        raise CallaoError(f"autostart: {path} cannot be written: {error.strerror or error}.") from error


def _switch_on(manager: ModuleType, name: str, path: Path) -> None:
    """A manager that refuses would start the instance nonetheless, if the file stayed."""
    try:
        manager.switch(name, on=True)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def disable(name: str, home: Path) -> bool:
    """Have it started no more; returns whether it was. Another home's instance of that name stays.

    :raises CallaoError: when the entry cannot be removed.
    """
    manager = _manager()
    entry = _login_item(manager, name)
    if entry is None or (entry.name, entry.home) != (name, home):
        return False
    path: Path = manager.path(name)
    try:
        path.unlink(missing_ok=True)
        manager.switch(name, on=False)
    except OSError as error:
        raise CallaoError(f"autostart: {path} cannot be removed: {error.strerror or error}.") from error
    return True


def _manager() -> ModuleType:
    return launchd if system.LOGIN_MANAGER == "launchd" else systemd


def _login_item(manager: ModuleType, name: str) -> LoginItem | None:
    """The login item; None for a user without a home directory, as in a container with an arbitrary uid."""
    try:
        found: LoginItem | None = manager.read(name)
    except CallaoError:
        return None
    return found


def _refuse_another(manager: ModuleType, name: str, home: Path) -> None:
    """Refuse an instance of another LIMA_HOME with the same name, because both would use the same file."""
    entry = _login_item(manager, name)
    if entry is not None and entry.home != home and (entry.home / name / "lima.yaml").exists():
        raise CallaoError(
            f"autostart: {manager.path(name)} starts the instance {name!r} of {entry.home}, and a login "
            "knows one of a name.",
            hint=f"Disable that one first: LIMA_HOME={entry.home} callao autostart disable {name}",
        )
