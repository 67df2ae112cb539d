# SPDX-License-Identifier: GPL-3.0-or-later
"""A home, a user and a host name that are nobody's, by namespaces: what a run shows needs no change."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

USER = "ana"
HOME = Path("/home") / USER
IMAGE = HOME / "images" / "debian-12.qcow2"
CALLAO = HOME / "callao"
"""The repository, as a clone of hers."""
VENV = HOME / ".venv"
"""Has the package as a wheel installs it, and the programs that use it."""


def enter(argv: list[str]) -> None:
    """Runs a program whose mounts and host name are its own, by rights that any user has."""
    subprocess.run(["unshare", "--map-root-user", "--mount", "--uts", *argv], check=True)


def dress(folder: Path, root: Path, image: Path) -> dict[str, str]:
    """Makes this namespace hers; returns the environment of her commands.

    :param folder: keeps what her home has; empty at first, removed by whoever entered the namespace.
    :param root: the repository with its .venv.
    """
    subprocess.run(["hostname", "laptop"], check=True)
    _have_home(folder)
    _bind(root, CALLAO)
    _bind(image, IMAGE)
    passwd = folder / "passwd"
    mine = f"{USER}:x:0:0::{HOME}:/bin/sh"
    passwd.write_text(
        re.sub(r"^[^:]+:[^:]*:0:.*$", mine, Path("/etc/passwd").read_text(), flags=re.MULTILINE)
    )
    _bind(passwd, Path("/etc/passwd"))
    _have_venv(folder / "dist")
    return {
        "HOME": str(HOME),
        "USER": USER,
        "LOGNAME": USER,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PATH": f"{VENV}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    }


def _have_home(folder: Path) -> None:
    """Mounts her home among those that there are: .venv may lie in one of them."""
    others, homes = folder / "others", Path("/home")
    _bind(homes, others)
    subprocess.run(["mount", "-t", "tmpfs", "homes", homes], check=True)
    for each in others.iterdir():
        if each.name != USER:
            _bind(each, homes / each.name)
    (folder / "home").mkdir()
    _bind(folder / "home", HOME)


def _have_venv(dist: Path) -> None:
    """Makes a virtual environment which has the wheel, and the repository's for all that the wheel needs."""
    theirs = CALLAO / ".venv"
    python = theirs / "bin" / "python"
    subprocess.run(
        [python, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, CALLAO], check=True
    )
    subprocess.run([python, "-m", "venv", "--without-pip", VENV], check=True)
    (wheel,) = dist.glob("*.whl")
    subprocess.run(
        [python, "-m", "pip", "--python", VENV, "install", "--no-deps", "--no-index", wheel], check=True
    )
    (packages,) = VENV.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(f"{theirs / packages.relative_to(VENV)}\n")
    for path in (theirs / "bin").iterdir():
        if (
            not path.is_symlink()
            and path.read_bytes().startswith(b"#!")
            and not (VENV / "bin" / path.name).exists()
        ):
            _, script = path.read_text().split("\n", 1)
            (VENV / "bin" / path.name).write_text(f"#!{VENV}/bin/python\n{script}")
            (VENV / "bin" / path.name).chmod(0o755)


def _bind(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    subprocess.run(["mount", "--rbind", source, target], check=True)
