# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of ``wsl.exe``: what is asked for, and what its answers mean.

Names and states are read where nothing is localised and nothing is in columns: ``--quiet`` prints one name a
line. Windows compares names without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO

from callao.drivers.wsl2.refusals import Reason, WslFailed, failed
from callao.drivers.wsl2.runner import ANSWER_SECONDS, Answer, Runner
from callao.drivers.wsl2.text import decode, lines

PROGRAM = "wsl.exe"

ROOTFS_SECONDS = 3600.0
"""Seconds for an import or an export."""

_RESIZE_SECONDS = 600.0

_VERSION = re.compile(r"(\d+\.\d+[.\d]*)")
_STATE_LINE = re.compile(r"^[* ] +(?P<name>\S+) +(?P<state>\S+(?: \S+)*) +[12]$")
"""As the format ``"%s %-*s%-16s%s\\n"`` prints it."""

_BUSY = frozenset({"Installing", "Uninstalling", "Converting", "Exporting"})


def exec_argv(name: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` in a distribution, as root, and no shell reads it."""
    return [PROGRAM, "--distribution", name, "--user", "root", "--cd", "/", "--exec", *argv]


@dataclass(frozen=True)
class Wsl:
    """One user's distributions."""

    runner: Runner

    def version(self) -> str:
        """The release of WSL.

        :raises WslFailed: when this session cannot use it, or the release is too old to tell.
        """
        answer = self._answer("--version")
        found = _VERSION.search(decode(answer.stdout))
        return found[1] if found else "of no known number"

    def names(self) -> tuple[str, ...]:
        """All distributions, those included that are being installed."""
        return self._names("--list", "--quiet", "--all")

    def running(self) -> tuple[str, ...]:
        """Those that run."""
        return self._names("--list", "--running", "--quiet")

    def activity(self, name: str) -> str:
        """What WSL itself is doing to a distribution, such as ``Exporting``; empty when nothing, or when an
        old release says it in another language.
        """
        try:
            answer = self._answer("--list", "--verbose", "--all")
        except WslFailed as error:
            if error.reason is Reason.NONE_INSTALLED:
                return ""
            raise
        for line in decode(answer.stdout).split("\n"):
            found = _STATE_LINE.match(line.rstrip())
            if found and is_same(found["name"], name) and found["state"] in _BUSY:
                return found["state"]
        return ""

    def has(self, name: str) -> bool:
        return any(is_same(each, name) for each in self.names())

    def is_running(self, name: str) -> bool:
        return any(is_same(each, name) for each in self.running())

    def install(self, name: str, folder: str, rootfs: BinaryIO) -> None:
        """Make a distribution from a tar; its disk is in ``folder``, a path of Windows.

        :raises WslFailed: see :class:`Reason`.
        """
        with self.runner.tar(rootfs) as (tar, stdin):
            self._import(name, folder, tar, stdin)

    def install_copy(self, name: str, folder: str, tar: str) -> None:
        """The same from a tar that is on Windows already."""
        self._import(name, folder, tar)

    def export_to(self, name: str, path: str) -> None:
        """Write a distribution as a tar to a path of Windows.

        :raises WslFailed: when it cannot be exported.
        """
        self._answer("--export", name, path, seconds=ROOTFS_SECONDS)

    def export(self, name: str, target: BinaryIO) -> None:
        """Write a distribution as a tar.

        :raises WslFailed: when it cannot be exported.
        """
        self._run((PROGRAM, "--export", name, "-"), stdout=target, seconds=ROOTFS_SECONDS)

    def terminate(self, name: str) -> None:
        """End all processes of a distribution; nothing happens when it does not run."""
        self._answer("--terminate", name)

    def resize(self, name: str, mebibytes: int) -> None:
        """Enlarge the disk of a distribution that does not run, and the file system on it."""
        self._answer("--manage", name, "--resize", f"{mebibytes}MB", seconds=_RESIZE_SECONDS)

    def shut_down(self) -> None:
        """End all distributions of the user, and WSL's virtual machine."""
        self._answer("--shutdown")

    def unregister(self, name: str) -> None:
        """Remove a distribution with its disk; nothing happens when there is none."""
        try:
            self._answer("--unregister", name)
        except WslFailed as error:
            if error.reason not in (Reason.NOT_FOUND, Reason.NONE_INSTALLED):
                raise

    def execute(
        self,
        name: str,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        seconds: float = ANSWER_SECONDS,
        passes: Sequence[str] = (),
    ) -> Answer:
        """Run a command in a distribution, which starts when it does not run; its output is as it wrote it.

        :raises WslFailed: when it ends with another status than 0.
        """
        return self._run(exec_argv(name, argv), stdin, seconds=seconds, passes=passes)

    def _names(self, *words: str) -> tuple[str, ...]:
        try:
            return tuple(lines(self._answer(*words).stdout))
        except WslFailed as error:
            if error.reason is Reason.NONE_INSTALLED:
                return ()
            raise

    def _import(self, name: str, folder: str, tar: str, stdin: bytes | IO[bytes] = b"") -> None:
        argv = (PROGRAM, "--import", name, folder, tar, "--version", "2")
        self._run(argv, stdin, seconds=ROOTFS_SECONDS)

    def _answer(self, *words: str, seconds: float = ANSWER_SECONDS) -> Answer:
        return self._run((PROGRAM, *words), seconds=seconds)

    def _run(
        self,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        *,
        stdout: BinaryIO | None = None,
        seconds: float,
        passes: Sequence[str] = (),
    ) -> Answer:
        """:raises WslFailed: for another status than 0."""
        answer = self.runner.run(argv, stdin, stdout=stdout, seconds=seconds, passes=passes)
        if answer.status != 0:
            raise failed(argv, answer)
        return answer


def is_same(one: str, other: str) -> bool:
    """Whether Windows takes two names for the same."""
    return one.casefold() == other.casefold()
