# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether sudo runs the commands without a password: by the sudoers file, or anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from callao.config.network import Networks
from callao.config.networks_yaml import networks_file
from callao.errors import ConfigError, NetworkError, unsupported
from callao.networks.vmnet.secure_paths import Owners, path_problems
from callao.networks.vmnet.sudoers import sudoers_text

_HINT = "Install it: callao sudoers --install"
_LONGEST = 2**20
"""Bytes of a sudoers file that are read."""

_PATIENCE = 60.0
"""Seconds for one command of sudo."""


def root_group() -> str:
    """The name of root's primary group: ``wheel`` on macOS, ``root`` on Linux."""
    if sys.platform == "win32":
        raise unsupported("sudo")
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam("root").pw_gid).gr_name


def is_installed(networks: Networks) -> bool:
    """Whether the program that carries the networks is there and can be run.

    :raises NetworkError: when it is there and cannot be run.
    """
    program = networks.paths.socket_vmnet
    if not program or not Path(program).exists():
        return False
    if not os.access(program, os.X_OK) or Path(program).is_dir():
        raise NetworkError(
            f"paths.socketVMNet: {program} is not a program that can be run.",
            hint=f"Install {Path(program).name} again.",
        )
    return True


def must_be_secure(networks: Networks, home: Path) -> None:
    """Before anything runs as root.

    :raises ConfigError: with everything about the paths that lets others than root change it.
    """
    problems = path_problems(networks.paths, Owners.of_host())
    if problems:
        raise ConfigError(problems, source=str(networks_file(home)))


def must_have_group(networks: Networks, home: Path) -> None:
    """Before anything is allowed to the group, or started for it.

    :raises NetworkError: when this host does not have the group of networks.yaml.
    """
    if sys.platform == "win32":
        raise unsupported("sudo")
    import grp

    try:
        grp.getgrnam(networks.group)
    except KeyError:
        mine = os.getgroups()
        own = ", ".join(each.gr_name for each in grp.getgrall() if each.gr_gid in mine)
        raise NetworkError(
            f"group: this host has no group {networks.group!r}, which {networks_file(home)} names.",
            hint=f"Name there a group of this host that you are in: {own}.",
        ) from None


def must_be_allowed(networks: Networks, home: Path) -> None:
    """Before the program that carries the networks is started as root.

    :raises ConfigError: when a path in networks.yaml is not root's alone.
    :raises NetworkError: when it cannot be run, or sudo needs a password.
    """
    must_be_secure(networks, home)
    must_have_group(networks, home)
    is_installed(networks)
    verify(networks, networks.paths.sudoers)


def expected_text(networks: Networks) -> str:
    """What the sudoers file has to say on this host."""
    return sudoers_text(networks, installed=is_installed(networks), root_group=root_group())


def verify(networks: Networks, file: str) -> None:
    """Whether the networks can be started without a password.

    :param file: the sudoers file; empty for none, where sudo has to do without.
    :raises NetworkError: when they cannot, or the file says something else than it should.
    """
    if not file:
        _must_need_no_password(networks, "paths.sudoers is empty, and sudo needs a password")
        return
    try:
        with Path(file).open("rb") as opened:
            found = opened.read(_LONGEST)
    except FileNotFoundError:
        _must_need_no_password(networks, f"{file} does not exist, and sudo needs a password")
        return
    except OSError as error:
        raise NetworkError(f"{file} cannot be read: {error.strerror}.", hint=_HINT) from error
    if found != expected_text(networks).encode():
        raise NetworkError(f"{file} does not say what networks.yaml needs any more.", hint=_HINT)


def sudo_argv(argv: Sequence[str], group: str) -> list[str]:
    """The command as root and that group, never asking for a password."""
    return ["sudo", "--user", "root", "--group", group, "--non-interactive", *argv]


def run_sudo(argv: Sequence[str], group: str) -> None:
    """Run one command as root.

    :raises NetworkError: when sudo refuses it, or it fails.
    """
    whole = sudo_argv(argv, group)
    done = _run(whole)
    if done.returncode:
        raise NetworkError(f"{' '.join(whole)} failed with {done.returncode}: {_words(done)}.", hint=_HINT)


def _must_need_no_password(networks: Networks, why: str) -> None:
    _run(["sudo", "-k"])
    if is_installed(networks):
        done = _run(sudo_argv(["true"], root_group()))
        if done.returncode:
            raise NetworkError(f"{why} ({_words(done)}).", hint=_HINT)


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{' '.join(argv)} did not end within {_PATIENCE:.0f} s.") from None
    except OSError as error:
        raise NetworkError(f"{argv[0]} cannot be run: {error.strerror}.", hint="Install sudo.") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace").strip() or "no message"
