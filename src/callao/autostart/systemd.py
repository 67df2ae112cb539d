# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit of systemd's user manager, see systemd.service(5) and systemd.syntax(7)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from callao.autostart.login_item import LoginItem, command, default_home
from callao.host_basics import home_folder

_STOP_SECONDS = 300
"""A guest may take its time to shut down; systemd would end it after 90 seconds."""

_ASSIGNED = r'(?m)^Environment="?LIMA_HOME=(?P<home>(?:[^"\\\n]|\\.)*)"?\s*$'
_STARTED = r'(?m)^ExecStart=(?:"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<plain>\S+))(?P<rest>.*)$'
"""Compiled when there is a unit to read, which a quick command seldom finds."""


def supported() -> bool:
    """Whether this host has systemd."""
    import shutil

    return shutil.which("systemctl") is not None


def path(name: str) -> Path:
    """The unit's file, under Lima's name."""
    return _folder() / f"lima-vm@{name}.service"


def wanted_by(name: str) -> Path:
    """The link that enables the unit, as ``systemctl --user enable`` makes it."""
    return _folder() / "default.target.wants" / path(name).name


def render(name: str, home: Path) -> str:
    """The unit's text.

    The unit stays active while the instance runs, so that the end of the session shuts the guest down in
    peace. The command may find the instance running; it may not make a new one from a template of its name.
    """
    start, stop = (" ".join(map(_quoted, command(verb, name))) for verb in ("start", "stop"))
    return f"""\
[Unit]
Description=Callao: instance {name}
ConditionPathExists={_escaped(str(home / name / "lima.yaml"))}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment={_quoted(f"LIMA_HOME={home}")}
ExecStart={start}
ExecStop={stop}
TimeoutStopSec={_STOP_SECONDS}

[Install]
WantedBy=default.target
"""


def read(name: str) -> LoginItem | None:
    """The login item of that name; None where no unit exists that would start an instance."""
    try:
        text = path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(_STARTED, text)
    if found is None or not os.path.lexists(wanted_by(name)):
        return None
    assigned = re.search(_ASSIGNED, text)
    home = Path(_unescaped(assigned["home"])) if assigned else default_home()
    program = found["plain"] or _unescaped(found["quoted"])
    words = found["rest"].replace('"', " ").split()
    return LoginItem(name, home, program) if {name, "%i"} & set(words) else None


def switch(name: str, *, on: bool) -> None:
    """Enable or disable the unit: the link, and a manager that runs told of it.

    Not by ``systemctl enable``: that needs the user's manager, which a task by ssh or sudo does not have.
    """
    link = wanted_by(name)
    link.unlink(missing_ok=True)
    if on:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path(name))
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and (Path(runtime) / "systemd" / "private").exists():
        import subprocess

        # One that does not answer reads the files at the next login.
        subprocess.run(["systemctl", "--user", "daemon-reload"], capture_output=True, check=False)


def _folder() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME") or home_folder() / ".config"
    return Path(configured) / "systemd" / "user"


def _escaped(text: str) -> str:
    """Without specifiers."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word: no specifier and no escape is read in it. A program's name takes no variables."""
    text = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("%%", "%")
