# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command line gets to Windows: by interop from inside WSL, or to another machine by a program here.

A carrier makes another argv of that of ``wsl.exe``, which runs it there: with its standard input and
outputs, its status, and its end, when the program here is killed. So all else of the driver is the same for
both.

All instances of a LIMA_HOME are on one Windows: the file ``_config/windows.json`` says on which. Who calls
the engine writes it. It has no password: a program that needs one has it in its environment.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from callao.atomic import write_file
from callao.drivers.wsl2.command_line import STDIN_IS_LINES, Shell, Stdin, line
from callao.drivers.wsl2.places import disks_folder, folder_below, windows_path
from callao.errors import DriverError

FILE = Path("_config", "windows.json")


class Carrier(Protocol):
    """See above."""

    @property
    def where(self) -> str:
        """The Windows, for messages; empty for that on which the engine runs."""

    @property
    def streams_stdin(self) -> bool:
        """Whether ``wsl.exe`` itself can read any bytes; otherwise only programs of the guest can."""

    def wrap(
        self, argv: Sequence[str], *, stdin: Stdin = Stdin.NONE, passes: Sequence[str] = ()
    ) -> list[str]:
        """The argv that runs ``argv`` on Windows.

        :param passes: words of WSLENV, in place of those that there are.
        :raises DriverError: when it cannot be written as a command line for the shell there.
        """

    def disks(self, environment: Mapping[str, str], distribution: str) -> str:
        """The folder of Windows for a distribution's disk.

        :raises DriverError: when none is known.
        """


class Here:
    """Interop: Linux inside WSL starts programs of Windows by their names on PATH."""

    where = ""
    streams_stdin = True

    def wrap(
        self,
        argv: Sequence[str],
        *,
        stdin: Stdin = Stdin.NONE,  # noqa: ARG002
        passes: Sequence[str] = (),  # noqa: ARG002 - the program has them in its environment
    ) -> list[str]:
        return list(argv)

    def disks(self, environment: Mapping[str, str], distribution: str) -> str:
        return disks_folder(environment, distribution)


class Remote(msgspec.Struct, frozen=True):
    """Another machine.

    ``program`` takes a command line as one word more, as ``ssh HOST`` does, and ``shell`` reads that there.
    ``upload`` is an sftp(1) with its host, where files can be sent so. A program that ``needs_login`` finds
    it in its environment, in which Ansible puts it for a task and what the task starts.
    """

    where: str
    program: tuple[str, ...]
    shell: Shell
    disks_home: str
    upload: tuple[str, ...] = ()
    needs_login: bool = False

    @property
    def streams_stdin(self) -> bool:
        return self.shell not in STDIN_IS_LINES

    def wrap(
        self, argv: Sequence[str], *, stdin: Stdin = Stdin.NONE, passes: Sequence[str] = ()
    ) -> list[str]:
        words = [*self.program, line(self.shell, argv, stdin=stdin, passes=passes)]
        if stdin is not Stdin.NONE and not self.streams_stdin:
            kind = stdin.name.lower()
            return [sys.executable, "-P", "-m", "callao.drivers.wsl2.stdin_lines", kind, *words]
        return words

    def disks(self, environment: Mapping[str, str], distribution: str) -> str:  # noqa: ARG002 - of this host
        home = windows_path(self.disks_home)
        if home is None:
            raise DriverError(
                f"{FILE}: disks_home: {self.disks_home!r} is not a folder on a drive of Windows."
            )
        return folder_below(home, distribution)


HERE = Here()


def carrier_for(home: Path) -> Carrier:
    """The way to the Windows of a LIMA_HOME.

    :raises DriverError: when its file is damaged.
    """
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remote)
    except FileNotFoundError:
        return HERE
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DriverError(
            f"{path} cannot be read: {error}.", hint="Remove it: the next task for that host writes it."
        ) from error


def save(home: Path, carrier: Remote) -> None:
    """Have the instances of a LIMA_HOME be on that Windows.

    :raises DriverError: when they are on another one.
    """
    path = home / FILE
    former = carrier_for(home)
    if former == carrier:
        return
    if former.where not in ("", carrier.where):
        raise DriverError(
            f"{home}: its instances are on {former.where}, and not on {carrier.where}.",
            hint="Give each Windows host a lima_home of its own.",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(path, msgspec.json.format(msgspec.json.encode(carrier), indent=2) + b"\n", mode=0o600)
