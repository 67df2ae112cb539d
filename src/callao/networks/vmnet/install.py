# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the sudoers file: checked by visudo first, since a file with an error can lock sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from callao.errors import ConfigError, NetworkError, unsupported
from callao.networks.vmnet.access import expected_text, must_be_secure, must_have_group
from callao.networks.vmnet.commands import mkdir_argv
from callao.networks.vmnet.host_values import networks_of_host
from callao.networks.vmnet.secure_paths import Owners, sudoers_problems
from callao.networks.vmnet.sudoers import is_ours

_MODE = "0644"
"""sudo wants it not to be writable; whoever compares it has to read it."""


@dataclass(frozen=True)
class SudoersOutcome:
    """What changed, or would in check mode; None for no file."""

    changed: bool
    path: str
    before: str | None
    after: str | None


def ensure_sudoers(home: Path, *, path: str | None, present: bool, check: bool) -> SudoersOutcome:
    """Have the sudoers file say what networks.yaml needs, or be gone.

    :param path: the file; ``paths.sudoers`` of networks.yaml when None.
    :raises ConfigError: when a path in networks.yaml, or ``path``, is not root's alone.
    :raises NetworkError: when the group does not exist, visudo refuses the text, or the file is not ours to
        replace.
    """
    networks = networks_of_host(home)
    target = path or networks.paths.sudoers
    if not target:
        raise NetworkError(
            "paths.sudoers: networks.yaml names no sudoers file.", hint="Name one there, or say which."
        )
    before = _read(target)
    if before is not None and not is_ours(before):
        raise NetworkError(
            f"{target} is not a sudoers file of Lima or Callao, and is left alone.",
            hint="Choose another path, or move that file away.",
        )
    after = None
    if present:
        must_be_secure(networks, home)
        problems = sudoers_problems("path", path, Owners.of_host()) if path else []
        if problems:
            raise ConfigError(problems)
        must_have_group(networks, home)
        after = expected_text(networks)
        _must_pass_visudo(after)
    # The rule for the folder names the group wheel, which many a Linux has not.
    no_folder = (
        present
        and sys.platform == "linux"
        and not networks.paths.is_vmnet_helper
        and not Path(networks.paths.var_run).is_dir()
    )
    changed = before != after or no_folder
    if before != after and not check:
        _put(target, after)
    if no_folder and not check:
        _as_root(mkdir_argv(networks), networks.paths.var_run)
    return SudoersOutcome(changed, target, before, after)


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(f"{path} cannot be read: {error}.") from error


def _must_pass_visudo(text: str) -> None:
    program = shutil.which("visudo", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise NetworkError(
            "visudo is not installed, and no sudoers file goes in unchecked.", hint="Install sudo."
        )
    with tempfile.TemporaryDirectory(prefix="callao-") as folder:
        file = Path(folder, "sudoers")
        file.write_text(text, encoding="utf-8")
        file.chmod(0o440)
        done = subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True)
    if done.returncode:
        raise NetworkError(f"visudo refuses the sudoers file: {(done.stderr or done.stdout).strip()}.")


def _put(target: str, text: str | None) -> None:
    """By install(1) and rm(1), as root: directly where we are root, else by sudo without a password."""
    with tempfile.TemporaryDirectory(prefix="callao-") as folder:
        if text is None:
            argv = ["rm", "-f", "--", target]
        else:
            file = Path(folder, "sudoers")
            file.write_text(text, encoding="utf-8")
            argv = ["install", "-o", "0", "-g", "0", "-m", _MODE, "--", str(file), target]
        _as_root(argv, target)


def _as_root(argv: list[str], path: str) -> None:
    if sys.platform == "win32":
        raise unsupported("sudo")
    done = subprocess.run(
        argv if os.geteuid() == 0 else ["sudo", "--non-interactive", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NetworkError(
            f"{path} cannot be changed: {done.stderr.strip()}.",
            hint="Run it as root, with lima_home or LIMA_HOME naming your instances' folder.",
        )
