# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent of macOS's launchd, see launchd.plist(5)."""

from __future__ import annotations

from pathlib import Path

from callao import system
from callao.autostart.login_item import LoginItem, command, default_home
from callao.errors import CallaoError
from callao.host_basics import home_folder

PROGRAM_PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
"""launchd's own leaves out where Homebrew puts QEMU."""


def label(name: str) -> str:
    """Lima's."""
    return f"io.lima-vm.autostart.{name}"


def path(name: str) -> Path:
    """The agent's file."""
    return home_folder() / "Library" / "LaunchAgents" / f"{label(name)}.plist"


def render(name: str, home: Path) -> str:
    """The agent's property list. The host agent goes on when the command has ended."""
    import plistlib

    folder = home / name
    values = {
        "Label": label(name),
        "ProgramArguments": command("start", name),
        "EnvironmentVariables": {"LIMA_HOME": str(home), "PATH": PROGRAM_PATH},
        "WorkingDirectory": str(folder),
        "StandardOutPath": str(folder / "launchd.stdout.log"),
        "StandardErrorPath": str(folder / "launchd.stderr.log"),
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
    }
    return plistlib.dumps(values, sort_keys=False).decode()


def read(name: str) -> LoginItem | None:
    """The login item of that name; None where no agent exists that would start an instance."""
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        values = plistlib.loads(path(name).read_bytes())
    except (OSError, ValueError, ExpatError, plistlib.InvalidFileException):
        return None
    words = values.get("ProgramArguments") if isinstance(values, dict) else None
    if not isinstance(words, list) or name not in words:
        return None
    environment = values.get("EnvironmentVariables")
    home = environment.get("LIMA_HOME") if isinstance(environment, dict) else None
    folder = values.get("WorkingDirectory")
    if home is None and isinstance(folder, str):  # limactl's: the instance's own
        home = Path(folder).parent
    return LoginItem(name, Path(str(home)) if home is not None else default_home(), str(words[0]))


def switch(name: str, *, on: bool) -> None:
    """Have launchd take the file at the next login, or no more.

    :raises CallaoError: when launchctl refuses.
    """
    import subprocess

    target = f"gui/{system.uid()}/{label(name)}"
    argv = ["launchctl", "enable" if on else "disable", target]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CallaoError(f"autostart: {' '.join(argv)}: {done.stderr.strip() or done.returncode}.")
