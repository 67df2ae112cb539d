# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon of macOS's launchd, which starts an instance when the host boots, see launchd.plist(5).

Its file belongs to root, so it is installed and removed by sudo(8), which may ask for a password.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from callao.autostart.launchd import PROGRAM_PATH
from callao.autostart.login_item import command
from callao.errors import CallaoError

_FOLDER = Path("/Library/LaunchDaemons")


def label(name: str) -> str:
    """Lima's."""
    return f"io.lima-vm.daemon.{name}"


def path(name: str) -> Path:
    """The daemon's file."""
    return _FOLDER / f"{label(name)}.plist"


def render(name: str, home: Path, user: str) -> str:
    """The property list of a daemon that runs as ``user``."""
    import plistlib

    folder = home / name
    values = {
        "Label": label(name),
        "ProgramArguments": command("start", name),
        "EnvironmentVariables": {
            "LIMA_HOME": str(home),
            "PATH": PROGRAM_PATH,
            "HOME": str(Path(f"~{user}").expanduser()),
        },
        "WorkingDirectory": str(folder),
        "StandardOutPath": str(folder / "launchd.stdout.log"),
        "StandardErrorPath": str(folder / "launchd.stderr.log"),
        "UserName": user,
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
    }
    return plistlib.dumps(values, sort_keys=False).decode()


def install(name: str, home: Path, user: str) -> None:
    """Install and load the daemon; one that is there is replaced.

    :raises CallaoError: when a user of that name does not exist, or sudo or launchctl fails.
    """
    try:
        text = render(name, home, user)
    except RuntimeError as error:
        raise CallaoError(f"--user: there is no user {user!r} on this host.") from error
    target = path(name)
    with tempfile.NamedTemporaryFile("w", suffix=".plist", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _as_root("launchctl", "bootout", _service(name), may_fail=True)
        _as_root("install", "-m", "644", file.name, str(target))
    _as_root("launchctl", "enable", _service(name))
    _as_root("launchctl", "bootstrap", "system", str(target))


def remove(name: str) -> bool:
    """Unload and remove the daemon; returns whether there was one.

    :raises CallaoError: when sudo or rm fails.
    """
    if not path(name).exists():
        return False
    _as_root("launchctl", "bootout", _service(name), may_fail=True)
    _as_root("launchctl", "disable", _service(name), may_fail=True)
    _as_root("rm", "-f", str(path(name)))
    return True


def _service(name: str) -> str:
    return f"system/{label(name)}"


def _as_root(*argv: str, may_fail: bool = False) -> None:
    try:
        status = subprocess.run(["sudo", *argv], check=False).returncode
    except OSError as error:
        raise CallaoError(f"autostart: sudo cannot be run: {error.strerror}.") from error
    if status != 0 and not may_fail:
        raise CallaoError(f"autostart: sudo {' '.join(argv)} failed with status {status}.")
