# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of events of several instances: one JSON object a line, appended by several processes at once."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.errors import CallaoError
from callao.events import Event, EventState, Reporter
from callao.file_end import read_end

FILE_NAME = "timeline.jsonl"
"""The usual name, in the folder of what it belongs to."""

_MAX_BYTES = 8 << 20
"""Bytes at the file's end that are read."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of one instance."""

    box: str
    event: Event


@dataclass(frozen=True)
class TimelineFile:
    """The file at ``path``, which need not exist."""

    path: Path

    def reporter(self, box: str, report: Reporter) -> Reporter:
        """A reporter that records the events of ``box``, and passes them on to ``report``.

        Progress is not recorded. A file that cannot be written is no failure of what is reported.
        """

        def record(event: Event) -> None:
            if event.state is not EventState.PROGRESS:
                with contextlib.suppress(OSError):
                    self.append(Entry(box=box, event=event))
            report(event)

        return record

    def append(self, entry: Entry) -> None:
        """Append one line, by one call of write(2), so that other processes' lines stay whole."""
        line = msgspec.json.encode(entry) + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def read(self) -> list[Entry]:
        """The entries; lines that are none are left out.

        :raises CallaoError: when the file does not exist, or cannot be read.
        """
        try:
            self.path.stat()
        except OSError as error:
            raise CallaoError(f"{self.path} cannot be read: {error.strerror}.") from error
        return [entry for line in read_end(self.path, _MAX_BYTES).splitlines() if (entry := _decode(line))]


def _decode(line: bytes) -> Entry | None:
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.MsgspecError, RecursionError):
        return None
