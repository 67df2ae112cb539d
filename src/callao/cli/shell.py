# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao shell``: a command in the guest, in the directory that the host's is shared as."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path, PurePosixPath

import click

from callao.cli import complete
from callao.cli.create import DEFAULT
from callao.cli.existing import bring, look
from callao.cli.options import Command
from callao.cli.preserve import preserved
from callao.cli.reach import reachable
from callao.cli.session import session, tell
from callao.instances import Instance, Status


@click.command("shell", cls=Command, context_settings={"allow_interspersed_args": False})
@click.option("--workdir", help="Directory in the guest (default: where the host's is shared, else home).")
@click.option("--shell", "program", help="Shell interpreter, such as /bin/zsh (default: the user's own).")
@click.option("--preserve-env", is_flag=True, help="Pass the environment on, but for what must not be.")
@click.option("--start", is_flag=True, help="Start the instance if it is stopped.")
@click.option("--reconnect", is_flag=True, help="A new ssh connection, so that new groups count.")
@click.argument("instance", required=False, shell_complete=complete.instances)
@click.argument("arguments", nargs=-1, metavar="[COMMAND]...", type=click.UNPROCESSED)
def command(
    workdir: str | None,
    program: str | None,
    preserve_env: bool,
    start: bool,
    reconnect: bool,
    instance: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Run a command, or a shell, in an instance.

    The exit status is the command's.

    \b
      callao shell web
      callao shell web uname -a
      callao shell --workdir /srv web make
    """
    run = session()
    name = instance or os.environ.get("LIMA_INSTANCE") or DEFAULT
    if arguments[:1] == ("--",):  # as people separate a command from what comes before
        arguments = arguments[1:]
    found = look(run, name)
    if found.status is Status.STOPPED and (start or (run.tty and _agreed(name))):
        bring(run, name, "started")
        found = look(run, name)
    client = reachable(found)
    script = guest_script(
        arguments,
        workdir=workdir or os.environ.get("LIMA_WORKDIR") or None,
        here=None if found.config is None else _shared(found),
        shell=program or os.environ.get("LIMA_SHELL") or "",
        environment=preserved(os.environ) if preserve_env else {},
    )
    options = []
    if sys.stdin.isatty() and sys.stdout.isatty():
        options.append("-t")
    if reconnect:
        options += ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    argv = client.argv(*options, command=["--", script])
    os.execvp(argv[0], argv)  # noqa: S606 - ssh takes our place: its signals, terminal and status are ours


def _agreed(name: str) -> bool:
    tell(f"{name} is stopped.")
    return click.confirm("Start it now?", default=True, err=True)


def _shared(found: Instance) -> str | None:
    """Where the guest has the host's working directory; None where it has not."""
    config = found.config
    assert config is not None
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed under us
        return None
    for mount in sorted(config.mounts, key=lambda each: len(each.location), reverse=True):
        for place in (Path(mount.location), Path(mount.location).resolve()):
            if here.is_relative_to(place):
                return str(PurePosixPath(mount.mount_point) / here.relative_to(place))
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
        lines.append(f"exec {interpreter} -l -c {shlex.quote(shlex.join(arguments))}")
    else:
        lines.append(f"exec {interpreter} -l")
    return "; ".join(lines)
