# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao copy``: uses rsync where both sides have it, else scp."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.syntax import Argument, Option, Syntax, UsageError
from callao.cli.session import Session
from callao.errors import CallaoError
from callao.instances.index import indexed_instance
from callao.instances.status import instance_names
from callao.ssh.target import Target

SYNTAX = Syntax(
    "copy",
    (
        Option("recursive", ("-r", "--recursive"), "Copy directories with all that is in them."),
        Option("verbose", ("-v", "--verbose"), "Let the copying program tell what it does."),
        Option("backend", ("--backend",), "The program that copies.", "BACKEND", default="auto",
               allowed=("auto", "rsync", "scp")),
    ),
    (Argument("places", "SOURCE... TARGET", complete="places", required=True, many=True),),
)  # fmt: skip


class Place(NamedTuple):
    """A path of the host, or of an instance."""

    path: str
    instance: str = ""

    @property
    def argument(self) -> str:
        """As scp(1) and rsync(1) take it; a ``./`` keeps a host path with a colon from being a host."""
        if self.instance:
            return f"lima-{self.instance}:{self.path}"
        return f"./{self.path}" if ":" in self.path and not self.path.startswith(("/", ".")) else self.path


def run(run: Session, recursive: bool, verbose: bool, backend: str, places: tuple[str, ...]) -> int:
    """Copy files between the host and instances.

    A guest's path is INSTANCE:PATH.

    \b
      callao copy web:/etc/os-release .
      callao copy -r ./src web:project
      callao copy web:data.csv other:/srv/
    """
    if len(places) < 2:
        raise UsageError("Give at least a source and a target.")
    every = [parse(place, instance_names(run.home)) for place in places]
    clients = {
        each.instance: ssh_to_running(indexed_instance(each.instance, run.home))
        for each in every
        if each.instance
    }
    if not clients:
        raise UsageError("None of the paths is an instance's: write INSTANCE:PATH.")
    with _together(clients) as config:
        program = _choose(backend, clients, every)
        if program == "rsync" and recursive:
            every = as_cp_copies(every, lambda place: _is_directory(place, clients))
        argv = (_rsync if program == "rsync" else _scp)(config, every, recursive, verbose)
        return subprocess.run(argv, check=False).returncode


def parse(text: str, known: list[str]) -> Place:
    """``INSTANCE:PATH``, or a path of the host; a colon after a slash belongs to the path.

    :raises CallaoError: for an instance that there isn't.
    """
    before, colon, after = text.partition(":")
    if not colon or "/" in before or before.startswith("."):
        return Place(text)
    if before not in known:
        raise CallaoError(
            f"{text!r}: there is no instance {before!r} (existing: {', '.join(known) or 'none'}).",
            hint=f"For a file of the host write ./{text}",
        )
    # Paths begin in the home there anyway, and rsync's own quoting leaves a tilde as it is.
    below_home = "" if after == "~" else after.removeprefix("~/")
    return Place(below_home or ".", before)


def as_cp_copies(places: list[Place], is_directory: Callable[[Place], bool]) -> list[Place]:
    """The places as rsync has to be given them to copy directories as ``cp -r`` and scp do.

    To these a slash behind a source means nothing, and a target that is not there becomes the copy itself.
    """
    sources = [each._replace(path=each.path.rstrip("/") or "/") for each in places[:-1]]
    target = places[-1]
    if len(sources) == 1 and not is_directory(target) and is_directory(sources[0]):
        sources = [sources[0]._replace(path=f"{sources[0].path.rstrip('/')}/")]
    return [*sources, target]


def _is_directory(place: Place, clients: dict[str, Target]) -> bool:
    if not place.instance:
        return os.path.isdir(place.path)  # noqa: PTH112 - pathlib is slower to import
    look_for = clients[place.instance].argv(command=["--", f"test -d {shlex.quote(place.path)}"])
    return subprocess.run(look_for, stdin=subprocess.DEVNULL, check=False).returncode == 0


@contextlib.contextmanager
def _together(clients: dict[str, Target]) -> Iterator[Path]:
    """One ssh configuration for all instances, see ssh_config(5) "Include"."""
    configs = [client.config for client in clients.values()]
    if len(configs) == 1:
        yield configs[0]
        return
    folder = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - made new below, and ours alone
    path = folder / f"callao-{os.getpid()}-{time.time_ns()}.ssh-config"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, no path
            file.writelines(f'Include "{config}"\n' for config in configs)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _choose(backend: str, clients: dict[str, Target], places: list[Place]) -> str:
    from shutil import which

    between = sum(1 for place in places[:-1] if place.instance) and places[-1].instance
    if backend == "scp" or (backend == "auto" and (between or which("rsync") is None)):
        return "scp"
    if between:
        raise CallaoError("--backend: rsync cannot copy between two instances (allowed: auto, scp).")
    lacking = [name for name, client in clients.items() if not _has_rsync(client)]
    if not lacking:
        return "rsync"
    if backend == "rsync":
        raise CallaoError(f"--backend: there is no rsync in {', '.join(lacking)} (allowed: auto, scp).")
    return "scp"


def _has_rsync(client: Target) -> bool:
    look_for = client.argv(command=["command -v rsync"])
    return subprocess.run(look_for, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _scp(config: Path, places: list[Place], recursive: bool, verbose: bool) -> list[str]:
    between = any(place.instance for place in places[:-1]) and places[-1].instance
    options = [*(["-r"] if recursive else []), *([] if verbose else ["-q"]), *(["-3"] if between else [])]
    return ["scp", "-F", str(config), *options, "--", *(place.argument for place in places)]


def _rsync(config: Path, places: list[Place], recursive: bool, verbose: bool) -> list[str]:
    options = ["-a" if recursive else "-tp", *(["-v", "--progress"] if verbose else [])]
    ssh = shlex.join(["ssh", "-F", str(config)])
    return ["rsync", *options, "-s", "-e", ssh, "--", *(place.argument for place in places)]
