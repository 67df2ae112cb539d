# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and stops the socket_vmnet of a network, by sudo."""

from __future__ import annotations

import contextlib
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from callao import system
from callao.config.network import NetworkDefinition, Networks
from callao.errors import NetworkError, unsupported
from callao.file_end import read_end
from callao.flock import home_lock
from callao.networks.vmnet import commands
from callao.networks.vmnet.access import (
    must_be_allowed,
    must_be_secure,
    root_group,
    run_sudo,
    sudo_argv,
    verify,
)
from callao.networks.vmnet.logs import log_files
from callao.networks.vmnet.secure_paths import Owners

_POLL = 0.05
_LONGEST_PID = 32
"""Bytes of a pid file."""

_LONGEST_LOG = 4096
"""Bytes of the end of a log that an error shows."""


@dataclass(frozen=True)
class Patience:
    """How long a daemon is waited for, in seconds.

    :param retries: the wait before each further try. vmnet.framework is not ready yet for a while after
        macOS has booted, and socket_vmnet ends then. On Linux, the program fails again for the same reason.
    """

    start: float = 30.0
    stop: float = 5.0
    retries: tuple[float, ...] = () if sys.platform == "linux" else (1.0, 2.0, 4.0, 8.0)
    lock: float = 120.0


def running_pid(networks: Networks, name: str) -> int | None:
    """The pid of the network's socket_vmnet, as its pid file says; None when no such process runs."""
    import psutil

    try:
        with commands.pid_file(networks, name).open("rb") as file:
            pid = int(file.read(_LONGEST_PID))
        process = psutil.Process(pid)
        program = Path(networks.paths.socket_vmnet).name
        # The file outlives a killed daemon, and another process may have its pid by then.
        return (
            pid if process.name()[:15] == program[:15] and process.status() != psutil.STATUS_ZOMBIE else None
        )
    except (OSError, ValueError, OverflowError, psutil.Error):
        return None


def start(
    networks: Networks, network: NetworkDefinition, home: Path, patience: Patience = Patience()
) -> None:
    """Have the network's socket_vmnet run.

    :raises ConfigError: when a path in networks.yaml is not root's alone.
    :raises NetworkError: when sudo needs a password, or the daemon does not start.
    """
    with _held(network.name, home, patience):
        if running_pid(networks, network.name) is not None:
            return
        must_be_allowed(networks, home)
        _make_var_run(networks)
        _start_with_retries(networks, network, home, patience)


def stop(networks: Networks, name: str, home: Path, patience: Patience = Patience()) -> None:
    """End the network's socket_vmnet where it runs.

    :raises NetworkError: when sudo refuses, or the daemon does not end.
    """
    if running_pid(networks, name) is None:
        return
    with _held(name, home, patience):
        if running_pid(networks, name) is None:
            return
        must_be_secure(networks, home)
        verify(networks, networks.paths.sudoers)
        run_sudo(commands.stop_argv(networks, name), root_group())
        end = time.monotonic() + patience.stop
        while (pid := running_pid(networks, name)) is not None:
            if time.monotonic() > end:
                raise NetworkError(
                    f"socket_vmnet of network {name!r}, pid {pid}, did not end within {patience.stop:.0f} s."
                )
            time.sleep(_POLL)


@contextlib.contextmanager
def _held(name: str, home: Path, patience: Patience) -> Iterator[None]:

    def busy(who: str) -> NetworkError:
        return NetworkError(
            f"network {name!r} is being started or stopped by another run, {who}; waited "
            f"{patience.lock:.0f} s for it.",
            hint="Wait for that run to end, then try again.",
        )

    with home_lock(home, f"_network.{name}", patience.lock, busy):
        yield


def _make_var_run(networks: Networks) -> None:
    path, daemon = Path(networks.paths.var_run), Owners.of_host().daemon_gid
    if not path.is_dir():
        run_sudo(commands.mkdir_argv(networks), _mkdir_group())
    if sys.platform == "linux":
        return  # a new folder has its creator's group there, and the program is root's
    found = path.stat()
    if not found.st_mode & stat.S_IWGRP or found.st_gid != daemon:
        raise NetworkError(
            f"paths.varRun: {path} cannot be written by the group daemon (gid {daemon}).",
            hint=f"Remove that folder, or: sudo chgrp {daemon} {path} && sudo chmod 775 {path}",
        )


def _mkdir_group() -> str:
    """``wheel``, as the rule for the folder says; root's own group where the host has no such group."""
    if sys.platform == "win32":
        raise unsupported("sudo")
    import grp

    try:
        return grp.getgrnam("wheel").gr_name
    except KeyError:
        return root_group()


def _start_with_retries(
    networks: Networks, network: NetworkDefinition, home: Path, patience: Patience
) -> None:
    argv = sudo_argv(commands.start_argv(networks, network), root_group())
    for wait in (*patience.retries, None):
        ended = _try(argv, networks, network.name, home, patience)
        if ended is None:
            return
        if wait is None:
            times = f", {len(patience.retries) + 1} times" if patience.retries else ""
            raise NetworkError(
                f"socket_vmnet of network {network.name!r} ended with {ended} before it was ready{times}: "
                f"{_said(home, network.name)}."
            )
        time.sleep(wait)


def _try(argv: Sequence[str], networks: Networks, name: str, home: Path, patience: Patience) -> int | None:
    """Start the daemon; its exit status where it ended before it served."""
    stdout, stderr = log_files(home, name)
    stdout.parent.mkdir(parents=True, exist_ok=True)
    for log in (stdout, stderr):
        log.unlink(missing_ok=True)
    with stdout.open("xb") as out, stderr.open("xb") as err:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=networks.paths.var_run,
            start_new_session=True,
        )
    end = time.monotonic() + patience.start
    while not _serves(networks, name):
        status = process.poll()
        if status is not None:
            return status if running_pid(networks, name) is None else None
        if time.monotonic() > end:
            _end(process)
            raise NetworkError(
                f"socket_vmnet of network {name!r} did not serve within {patience.start:.0f} s: "
                f"{_said(home, name)}."
            )
        time.sleep(_POLL)
    process.returncode = 0  # it goes on without us, and nobody waits for it here
    return None


def _serves(networks: Networks, name: str) -> bool:
    """Whether the daemon listens: it writes its pid file before it has created the interface of vmnet."""
    if running_pid(networks, name) is None:
        return False
    with system.unix_socket() as stream:
        try:
            stream.connect(str(commands.socket_path(networks, name)))
        except (FileNotFoundError, ConnectionRefusedError):  # not yet; the latter is a killed one's socket
            return False
        except PermissionError:
            return True  # it is not for us, which is told when the machine connects
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End sudo, which passes SIGTERM on; a process of root's may refuse us."""
    with contextlib.suppress(PermissionError):
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_POLL * 20)


def _said(home: Path, name: str) -> str:
    """The end of what the daemon wrote."""
    stderr = log_files(home, name)[1]
    return read_end(stderr, _LONGEST_LOG).decode(errors="replace").strip() or f"see {stderr}"
