# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of errors.

Everything the engine raises on purpose is a :class:`CallaoError`. Its text says what failed, on what,
why, and what to do.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from callao.printable import printable


class CallaoError(Exception):
    """Root of all errors that the engine raises on purpose.

    :param message: what happened, and to what.
    :param hint: what to do next.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = _sentence(message)
        self.hint = _sentence(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def unsupported(what: str) -> CallaoError:
    """The error for a facility that this host's operating system does not have."""
    return CallaoError(
        f"{what} does not exist on {sys.platform}.", hint="Run Callao on Linux or macOS, or inside WSL2."
    )


def _sentence(text: str) -> str:
    """The text without ``[Errno N]``, which repeats the words after it, and without control characters."""
    if "[Errno " in text:
        text = re.sub(r"\[Errno -?\d+\] ", "", text)
    return printable(text)


_MAX_VALUE_LENGTH = 200
"""Characters of a value in a message."""


class Problem(NamedTuple):
    """One mistake in a configuration.

    ``path`` is the field, as in ``mounts[0].location``; ``value`` is the field's value; ``allowed``
    describes the values that are allowed. ``line`` and ``column`` count from 1, and are 0 when they are
    not known.
    """

    path: str
    value: object
    message: str
    allowed: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        position = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{position}{self._sentence()}"

    def with_source(self, source: str) -> str:
        """The problem as text that begins with ``PATH:LINE:COLUMN: ``, as compilers print it."""
        if not source:
            return str(self)
        position = f":{self.line}:{self.column}" if self.line else ""
        return f"{source}{position}: {self._sentence()}"

    def _sentence(self) -> str:
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{self.path}: {_short(repr(self.value))}: {self.message}{allowed}"


def ignore_warning(_problem: Problem) -> None:
    """The callback for callers that show no warnings, because they were shown when the document was
    written."""


def _short(text: str) -> str:
    """The value, shortened for a message."""
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"


class ConfigError(CallaoError):
    """A configuration that cannot be used; carries every problem found, not just the first."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("; ".join(self._problem_texts()))

    def _problem_texts(self) -> list[str]:
        """Each problem with a known line begins with the source; if none has one, only the first does."""
        has_positions = any(problem.line for problem in self.problems)
        return [
            problem.with_source(self.source if has_positions or index == 0 else "")
            for index, problem in enumerate(self.problems)
        ]


class ExpressionError(CallaoError):
    """A Go template (``{{…}}``) that cannot be read or evaluated.

    :param message: what is wrong, without line and column.
    :param line: counted from 1 in the template's text, as ``column`` is.
    """

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column} of the text: {self.message}"


class TemplateError(CallaoError):
    """A template that cannot be found, read or resolved."""


class LockError(CallaoError):
    """A lock file that cannot be used, or an input that differs from what the lock file has."""


class ImageError(CallaoError):
    """An image that is not available."""


class DownloadError(ImageError):
    """A download that failed: the server is unreachable, refuses, stalls, or sends too little."""


class DigestMismatch(ImageError):
    """A download whose digest is not the expected one; names both."""


class ImageFormatError(ImageError):
    """A file that is not a disk image, or cannot be decompressed or converted."""


class InstanceError(CallaoError):
    """An error that concerns one instance."""


class InstanceNotFound(InstanceError):
    """No instance of that name."""


class InstanceBusy(InstanceError):
    """Another process holds the instance's lock."""


class InstanceOvertaken(InstanceError):
    """Another process has changed the instance since this one read its state."""


class InstanceBroken(InstanceError):
    """Files in the instance's folder cannot be read or parsed."""


class InstanceProtected(InstanceError):
    """The instance is marked as protected."""


class SnapshotError(InstanceError):
    """A snapshot that cannot be taken, found, or restored."""


class ImmutableField(InstanceError):
    """A change that an existing instance can never take."""


class RestartRequired(InstanceError):
    """A change that needs a restart while restarts are not allowed."""


class StageFailed(InstanceError):
    """A start that failed; has the stage and the log lines that explain the failure.

    :param stage: the stage's name, see :class:`callao.events.Stage`.
    :param evidence: log lines; the one that explains most is the last.
    """

    def __init__(self, message: str, *, stage: str, evidence: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.evidence = printable(evidence)

    def __str__(self) -> str:
        evidence = f"\n{self.evidence.rstrip()}" if self.evidence else ""
        return super().__str__() + evidence


class DiskError(CallaoError):
    """An additional disk that cannot be made, read, or changed as asked."""


class DiskNotFound(DiskError):
    """No additional disk of that name."""


class DiskInUse(DiskError):
    """An instance, or another process, uses the additional disk."""


class DiskReferenced(DiskError):
    """The configuration of an instance lists the additional disk."""


class NetworkError(CallaoError):
    """A network of networks.yaml that cannot be changed or run, or that an instance cannot be on."""


class NetworkInUse(NetworkError):
    """The configuration of an instance names the network."""


class DriverError(CallaoError):
    """The hypervisor is missing, too old, or refused what it was asked."""


class PortTaken(DriverError):
    """A port of the host that another process uses, or that this user may not bind."""

    def __init__(self, message: str, *, port: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.port = port


class AgentError(CallaoError):
    """The host agent did not start, answer, or end as it should."""
