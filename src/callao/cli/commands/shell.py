# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao shell``: a command in the guest, in the directory that the host's is shared as."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path, PurePosixPath

from callao.cli.arguments.existing import DEFAULT, ensure_instance
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.syntax import Argument, Option, Syntax
from callao.cli.session import Session, tell
from callao.cli.terminal.messages import Dialect
from callao.errors import CallaoError
from callao.instances.index import IndexedInstance, indexed_instance
from callao.instances.status import Status
from callao.ssh.command_line import command_line

SYNTAX = Syntax(
    "shell",
    (
        Option("workdir", ("--workdir",),
               "Directory in the guest (default: where the host's is shared, else home).", "TEXT"),
        Option("program", ("--shell",),
               "Shell interpreter, such as /bin/zsh (default: the user's own).", "TEXT"),
        Option("preserve_env", ("--preserve-env",), "Pass the environment on, but for what must not be."),
        Option("start", ("--start",), "Start the instance if it is stopped."),
        Option("sync", ("--sync",), "Copy this directory into the guest, run the command, and copy the "
               "changes back.", "DIR"),
        Option("named", ("--instance",), "The instance; all arguments are the command then.", "INSTANCE",
               hidden=True),
        Option("reconnect", ("--reconnect",), "A new ssh connection, so that new groups count."),
    ),
    (
        Argument("instance", complete="instances"),
        Argument("arguments", "[COMMAND]...", many=True),
    ),
    interspersed=False,
)  # fmt: skip


def run(
    run: Session,
    workdir: str | None,
    program: str | None,
    preserve_env: bool,
    start: bool,
    sync: str | None,
    named: str | None,
    reconnect: bool,
    instance: str | None,
    arguments: tuple[str, ...],
) -> int:
    """Run a command, or a shell, in an instance.

    The exit status is the command's.

    \b
      callao shell web
      callao shell web uname -a
      callao shell --workdir /srv web make
    """
    if named is not None and instance is not None:
        arguments = (instance, *arguments)
    name = named or instance or _usual_instance(run)
    if arguments[:1] == ("--",):  # as people separate a command from what comes before
        arguments = arguments[1:]
    found = indexed_instance(name, run.home)
    if found.status is Status.STOPPED and (start or (run.can_ask and _agreed(name))):
        ensure_instance(run, name, "started")
        found = indexed_instance(name, run.home)
    client = ssh_to_running(found)
    directory = None
    if sync is not None:
        from callao.cli.synced import synced_directory

        directory = synced_directory(sync, found, client, workdir)
        workdir = directory.remote
        directory.push()
    script = guest_script(
        arguments,
        workdir=workdir or os.environ.get("LIMA_WORKDIR") or None,
        here=_shared(found),
        shell=program or os.environ.get("LIMA_SHELL") or "",
        environment=_environment() if preserve_env else {},
    )
    options = []
    if sys.stdin.isatty() and sys.stdout.isatty():
        options.append("-t")
    if reconnect:
        options += ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    argv = client.argv(*options, command=["--", script])
    if directory is None:
        os.execvp(argv[0], argv)  # noqa: S606 - ssh takes our place: its signals, terminal and status are ours
        return 0
    from callao.cli.synced import run_and_take_back

    return run_and_take_back(run, directory, argv)


def _usual_instance(run: Session) -> str:
    """The instance of a line that names none.

    :raises CallaoError: for limactl, which has none.
    """
    if run.dialect is Dialect.LIMACTL:
        raise CallaoError("requires instance name as first argument")
    return os.environ.get("LIMA_INSTANCE") or DEFAULT


def _environment() -> dict[str, str]:
    from callao.cli.arguments.environment import preserved_variables

    return preserved_variables(os.environ)


def _agreed(name: str) -> bool:
    import click

    tell(f"{name} is stopped.")
    return click.confirm("Start it now?", default=True, err=True)


def _shared(found: IndexedInstance) -> str | None:
    """Where the guest has the host's working directory; None where it has not."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed under us
        return None
    for location, mount_point in sorted(found.config.shares, key=lambda each: len(each[0]), reverse=True):
        for place in (Path(location), Path(os.path.realpath(location))):
            if here.is_relative_to(place):
                return str(PurePosixPath(mount_point) / here.relative_to(place))
    return None


def guest_script(
    arguments: tuple[str, ...],
    *,
    workdir: str | None,
    here: str | None,
    shell: str,
    environment: dict[str, str],
) -> str:
    """What the login shell in the guest is told: ssh joins its arguments to one line, see ssh(1).

    :param workdir: must be there; ``here`` is entered where it is.
    :param shell: the interpreter; started with ``-l``, since dash knows no ``--login``.
    """
    lines = []
    if workdir is not None:
        lines.append(f"cd {shlex.quote(workdir)} || exit 1")
    elif here is not None:
        lines.append(f"cd {shlex.quote(here)} 2>/dev/null || cd ~")
    lines += [f"export {key}={shlex.quote(value)}" for key, value in sorted(environment.items())]
    interpreter = shlex.quote(shell) if shell else '"$SHELL"'
    if arguments:
        lines.append(f"exec {interpreter} -l -c {shlex.quote(command_line(arguments))}")
    else:
        lines.append(f"exec {interpreter} -l")
    return "; ".join(lines)
