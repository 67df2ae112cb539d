# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao shell --sync``: copies a directory into a guest without mounts, and a command's changes back."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from callao.cli.session import Session, tell
from callao.errors import CallaoError
from callao.instances.index import IndexedInstance
from callao.ssh.target import Target

_FEWEST_PARTS = 4
"""Parts of a path, with its root: /home/me/project. Less could be a whole home, which is then replaced."""

_OPTIONS = ("-rlptD", "--delete", "-s")
"""All but owner and group, which differ between the host and the guest."""


class Changes(NamedTuple):
    """How the guest's copy differs from the host's directory, in numbers of files."""

    added: int = 0
    deleted: int = 0
    modified: int = 0
    metadata: int = 0

    def __str__(self) -> str:
        return (
            f"{self.added} added, {self.deleted} deleted, {self.modified} modified, "
            f"{self.metadata} with other metadata"
        )


class SyncedDirectory(NamedTuple):
    """A directory of the host, and its copy at the same path below the guest's home."""

    local: Path
    client: Target

    @property
    def remote(self) -> str:
        """The copy's path, from the guest's home on, where each command of ssh begins."""
        return f".{self.local}"

    def push(self) -> None:
        self._ssh(f"mkdir -p {shlex.quote(self.remote)}")
        self._rsync("-q", *_OPTIONS, f"{self.local}/", self._there)

    def pull(self, target: Path | None = None) -> None:
        self._rsync("-q", *_OPTIONS, self._there, f"{target or self.local}/")

    def remove(self) -> None:
        """Remove the guest's copy; the directories above it stay."""
        self._ssh(f"rm -rf {shlex.quote(self.remote)}")

    def changes(self) -> Changes:
        dry_run = ("--dry-run", "--itemize-changes")
        return counted(self._rsync(*_OPTIONS, *dry_run, self._there, f"{self.local}/"))

    def show(self) -> None:
        """The differences in the user's pager."""
        with tempfile.TemporaryDirectory(prefix="callao-sync-") as folder:
            self.pull(Path(folder))
            colour = "never" if os.environ.get("NO_COLOR") else "always"
            compare = ["diff", "-ruN", f"--color={colour}", "--", str(self.local), folder]
            text = subprocess.run(compare, capture_output=True, check=False).stdout
        pager = shlex.split(os.environ.get("PAGER", "")) or ["less"]
        if Path(pager[0]).name == "less":
            pager.append("-R")
        subprocess.run(pager if shutil.which(pager[0]) else ["cat"], input=text, check=False)

    @property
    def _there(self) -> str:
        return f"{self.client.alias}:{self.remote}/"

    def _ssh(self, command: str) -> None:
        self._run(self.client.argv(command=["--", command]))

    def _rsync(self, *arguments: str) -> str:
        return self._run(["rsync", "-e", shlex.join(["ssh", "-F", str(self.client.config)]), *arguments])

    def _run(self, argv: Sequence[str]) -> str:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              errors="replace", check=False)  # fmt: skip
        if done.returncode:
            raise CallaoError(
                f"--sync: {argv[0]} failed with status {done.returncode} for {self.local}.",
                hint="Its message is above. Both the host and the guest need rsync.",
            )
        return done.stdout


def synced_directory(
    text: str, found: IndexedInstance, client: Target, workdir: str | None
) -> SyncedDirectory:
    """The directory that ``--sync`` names.

    :raises CallaoError: when it cannot be copied to this instance and back.
    """
    local = Path(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - symlinks stay
    if workdir is not None:
        raise CallaoError("--sync and --workdir exclude each other: the command runs in the copy.")
    if found.config.shares:
        raise CallaoError(
            f"--sync: instance {found.name!r} has mounts: a directory of the host is there already.",
            hint="Create the instance with --mount-none.",
        )
    if found.config.vm_type == "wsl2":
        raise CallaoError("--sync: wsl2 is not supported: it mounts the host's drives.")
    if not local.is_dir():
        raise CallaoError(f"--sync: {local} is not a directory.")
    if len(local.parts) < _FEWEST_PARTS:
        raise CallaoError(
            f"--sync: {local} is too near to the root directory (allowed: at least {_FEWEST_PARTS - 1} "
            "directories deep, such as /home/me/project)."
        )
    if shutil.which("rsync") is None:
        raise CallaoError("--sync: there is no rsync on this host.", hint="Install it.")
    return SyncedDirectory(local, client)


def run_and_take_back(run: Session, directory: SyncedDirectory, argv: Sequence[str]) -> int:
    """Run a command; if it succeeds, copy its changes to the host, if the user agrees, and clean up.

    :returns: the command's exit status.
    """
    status = subprocess.run(argv, check=False).returncode
    if status == 0:
        if not run.can_ask or _agreed(directory):
            directory.pull()
        directory.remove()
    return status


def _agreed(directory: SyncedDirectory) -> bool:
    import click

    changes = directory.changes()
    if not any(changes):
        tell("No changes detected.")
        return False
    while True:
        tell(f"The guest's copy of {directory.local}: {changes}.")
        answer = click.prompt(
            "Accept the changes?", type=click.Choice(["yes", "no", "view"]), default="yes", err=True
        )
        if answer != "view":
            return bool(answer == "yes")
        directory.show()


def counted(itemized: str) -> Changes:
    """Counts the lines of ``rsync --itemize-changes``, see rsync(1)."""
    added = deleted = modified = metadata = 0
    for line in itemized.splitlines():
        flags = line.partition(" ")[0]
        if flags == "*deleting":
            deleted += 1
        elif len(flags) < 11:  # no change: rsync's own remarks
            continue
        elif "+" in flags[2:]:
            added += 1
        elif flags[0] == "." or (flags[1] == "d"):
            metadata += 1
        else:
            modified += 1
    return Changes(added, deleted, modified, metadata)
