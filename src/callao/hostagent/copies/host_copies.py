# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies files of the guest to the host, and removes those with ``deleteOnStop`` when the machine stops.

The guest is not trusted: the size of a file is limited, and no link that the guest has made leads the copy
elsewhere.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from callao.config import Config
from callao.config.schema import CopyToHost
from callao.errors import StageFailed, unsupported
from callao.events import Stage
from callao.hostagent.mounts.shares import Shares
from callao.ssh import Client

_MAX_SIZE = 64 * 1024 * 1024
"""Largest size in bytes of a file that is copied."""

_TIMEOUT = 300.0
"""Seconds for one file."""

_MISSING, _NOT_A_FILE, _UNREADABLE = 41, 42, 43
"""Exit statuses of the script."""

_SCRIPT = f"""\
as_root=
[ -r "$file" ] || as_root='sudo -n'
if ! $as_root test -e "$file"; then
  [ -z "$as_root" ] || sudo -n true 2>/dev/null || exit {_UNREADABLE}
  exit {_MISSING}
fi
$as_root test -f "$file" || exit {_NOT_A_FILE}
exec $as_root head -c {_MAX_SIZE + 1} "$file"
"""

_REASONS = {
    _MISSING: ("does not exist in the guest", "Have a probe wait for it, or set skipIfMissing."),
    _NOT_A_FILE: ("is not a regular file in the guest", "Name a file."),
    _UNREADABLE: ("cannot be read by the guest's user", "Allow it in the guest: there is no sudo for it."),
}


class _TooLargeError(Exception):
    pass


@dataclass
class HostCopies:
    """The files that were copied from one running machine."""

    client: Client
    shares: Shares
    removed_at_stop: list[str] = field(default_factory=list)
    """Paths on the host."""

    async def copy_configured(self, config: Config) -> None:
        """Copy every entry of ``copyToHost``, in order.

        :raises StageFailed: naming the entry that cannot be copied.
        """
        for index, entry in enumerate(config.copy_to_host):
            await self._copy(f"copyToHost[{index}]", entry)

    async def apply_config(self, before: Config, config: Config) -> None:
        """Copy the entries that ``before`` does not have.

        :raises StageFailed: naming the entry that cannot be copied.
        """
        for index, entry in enumerate(config.copy_to_host):
            if entry not in before.copy_to_host:
                await self._copy(f"copyToHost[{index}]", entry)

    async def remove(self) -> None:
        """Remove the files that are for a running machine only."""
        if sys.platform != "win32" and self.removed_at_stop:
            from callao.hostagent.copies.guarded_file import remove_file

            shared = self._shared()
            while self.removed_at_stop:
                with contextlib.suppress(OSError):
                    remove_file(Path(self.removed_at_stop.pop()), shared)

    async def _copy(self, place: str, entry: CopyToHost) -> None:
        try:
            copied = await self._write(place, entry)
        except OSError as error:
            reason = f"cannot write {entry.host} on the host: {error.strerror or error}."
            raise _failure(place, reason, "Name another path.") from error
        if copied and entry.delete_on_stop and entry.host not in self.removed_at_stop:
            self.removed_at_stop.append(entry.host)

    async def _write(self, place: str, entry: CopyToHost) -> bool:
        if sys.platform != "win32":
            from callao.hostagent.copies.guarded_file import new_file

            with new_file(Path(entry.host), self._shared()) as new:
                new.complete = await self._read(place, entry, new.file.write)
            return new.complete
        raise unsupported("copyToHost")

    async def _read(self, place: str, entry: CopyToHost, write: Callable[[bytes], int]) -> bool:
        """Pass the guest's file to ``write``; False if there is none and need not be."""
        size = 0

        def limited(data: bytes) -> None:
            nonlocal size
            size += len(data)
            if size > _MAX_SIZE:
                raise _TooLargeError
            write(data)

        script = f"file={shlex.quote(entry.guest)}\n{_SCRIPT}"
        try:
            result = await self.client.receive(script, limited, timeout=_TIMEOUT)
        except _TooLargeError:
            allowed = f"{_MAX_SIZE // 2**20} MiB"
            raise _failure(place, f"{entry.guest} is larger than {allowed}.", "Use callao copy.") from None
        except TimeoutError:
            raise _failure(place, f"{entry.guest} was not read within {_TIMEOUT:.0f} s.") from None
        if result.status == _MISSING and entry.skip_if_missing:
            return False
        if result.status in _REASONS:
            reason, hint = _REASONS[result.status]
            raise _failure(place, f"{entry.guest} {reason}.", hint)
        if result.status != 0:
            said = result.stderr.strip() or f"ssh ended with status {result.status}"
            raise _failure(place, f"{entry.guest} cannot be read in the guest: {said}.")
        return True

    def _shared(self) -> frozenset[tuple[int, int]]:
        """Device and inode of each directory in which the guest writes."""
        found = set()
        for each in self.shares.mounted.values():
            if each.writable:
                with contextlib.suppress(OSError):
                    status = Path(each.location).stat()
                    found.add((status.st_dev, status.st_ino))
        return frozenset(found)


def _failure(place: str, message: str, hint: str = "") -> StageFailed:
    return StageFailed(f"{place}: {message}", stage=Stage.COPIES, hint=hint)
