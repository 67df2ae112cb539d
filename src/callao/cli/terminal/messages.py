# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of messages on stderr: sentences for people, or the log entries that limactl writes.

limactl logs by the Go library logrus: as ``time="…" level=info msg="…"``, or as JSON.
"""

from __future__ import annotations

import enum
import time
from contextvars import ContextVar
from typing import NamedTuple

from callao.errors import CallaoError

_BEGIN = time.monotonic()
"""logrus prints the seconds since the program's start on a terminal."""


class Level(enum.IntEnum):
    """logrus' levels."""

    PANIC = 0
    FATAL = 1
    ERROR = 2
    WARNING = 3
    INFO = 4
    DEBUG = 5
    TRACE = 6


_NAMES = {each.name.lower(): each for each in Level} | {"warn": Level.WARNING}
_COLOURS = {Level.WARNING: 33, Level.INFO: 36, Level.DEBUG: 37, Level.TRACE: 37}
"""SGR numbers as logrus has them; red for all that is worse."""


class Dialect(enum.Enum):
    """Whose words and forms the command line uses: the ones of ``callao``, or those of ``limactl``."""

    CALLAO = "callao"
    LIMACTL = "limactl"


class Form(enum.Enum):
    """How a message is written."""

    SENTENCE = "sentence"
    LOGRUS = "logrus"
    JSON = "json"


class MessageStyle(NamedTuple):
    """How this run of the command line writes messages; ``lowest`` is the least important level."""

    dialect: Dialect = Dialect.CALLAO
    as_json: bool = False
    lowest: Level = Level.INFO

    @property
    def form(self) -> Form:
        """JSON where that is asked for, else the dialect's own form."""
        if self.as_json:
            return Form.JSON
        return Form.LOGRUS if self.dialect is Dialect.LIMACTL else Form.SENTENCE


_STYLE: ContextVar[MessageStyle] = ContextVar("message_style", default=MessageStyle())  # noqa: B039 - immutable


def message_style() -> MessageStyle:
    """The style of this run."""
    return _STYLE.get()


def program_name() -> str:
    """What the user calls this program."""
    return _STYLE.get().dialect.value


def completion_variable() -> str:
    """The environment variable by which a shell asks for completions; click derives the same name."""
    return f"_{program_name().upper()}_COMPLETE"


def use_dialect(dialect: Dialect) -> None:
    """Begin a run: the form and level that are usual for ``dialect``."""
    _STYLE.set(MessageStyle(dialect))


def use_level(name: str) -> None:
    """Write messages of this level and more important ones.

    :raises CallaoError: when there is no level of that name.
    """
    level = _NAMES.get(name.lower())
    if level is None:
        raise CallaoError(f"--log-level: {name!r} is not a level (allowed: {', '.join(_NAMES)}).")
    _STYLE.set(_STYLE.get()._replace(lowest=level))


def use_format(name: str) -> None:
    """Write messages as ``text``, in the dialect's own form, or as ``json``.

    :raises CallaoError: for another name.
    """
    if name not in ("text", "json"):
        raise CallaoError(f"--log-format: {name!r} is not a format (allowed: text, json).")
    _STYLE.set(_STYLE.get()._replace(as_json=name == "json"))


def log_entry(text: str, level: Level, form: Form, *, terminal: bool) -> str:
    """One message as a line of the log.

    :param terminal: whether somebody reads it: logrus writes in colour then, without the date.
    """
    if form is Form.JSON:
        import json

        entry = {"level": level.name.lower(), "msg": text, "time": _now()}
        return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    if terminal:
        label = level.name[:4]
        seconds = int(time.monotonic() - _BEGIN)
        return f"\x1b[{_COLOURS.get(level, 31)}m{label}\x1b[0m[{seconds:04d}] {text}"
    return f'time="{_now()}" level={level.name.lower()} msg={_quoted(text)}'


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _quoted(text: str) -> str:
    """As Go's ``%q`` does it; a single word stays as it is."""
    if text and all(each.isalnum() or each in "-._/@^+" for each in text) and text.isascii():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
