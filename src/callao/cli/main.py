# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``callao``: runs the command, and prints an error on one line. Data goes to stdout."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from callao.cli.programs import names
from callao.cli.terminal.messages import Dialect, Level, message_style, use_dialect
from callao.cli.terminal.output import echo, failed, tell
from callao.errors import CallaoError

if TYPE_CHECKING:
    from callao.cli.session import CommonFlags

_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

_GLOBAL_FLAGS = {"-h": True, "--help": True, "-v": False, "--version": False}
"""Lines without a command: whether they ask for the help, or else for the version."""


def main(argv: list[str] | None = None) -> int:
    """Returns the process's exit status: 0, 1 for an error as limactl has it, or a command's own."""
    atexit.register(gc.freeze)  # else Python searches all that is loaded for cycles before it ends
    flags: CommonFlags = {}
    words = sys.argv[1:] if argv is None else argv
    try:
        status = _run(_arguments(sys.argv[0], words), flags)
        sys.stdout.flush()
    except KeyboardInterrupt:
        tell("stopped.")
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return 1
    except (CallaoError, OSError) as error:
        if flags.get("debug"):
            import traceback

            tell(traceback.format_exc().rstrip("\n"), level=Level.ERROR)
            return 1
        return failed(_error_text(error))
    return status


def _arguments(program: str, words: Sequence[str]) -> Sequence[str]:
    """The command line that a program stands for, by the name that it was called by."""
    called = names.called_as(program)
    if called is None:
        use_dialect(Dialect.CALLAO)
        return words
    use_dialect(Dialect.LIMACTL)
    if called is names.Program.LIMACTL:
        return words
    if called is names.Program.YQ:
        return ["yq", *words]
    if called is names.Program.MCP:
        return ["mcp", *words]
    from callao.cli.programs.wrappers import arguments

    return arguments(called, words)


def _run(words: Sequence[str], flags: CommonFlags) -> int:
    if words and words[0] == "yq" and message_style().dialect is Dialect.LIMACTL:
        from callao.cli.programs import yq

        return yq.run(list(words[1:]))
    if len(words) == 1 and words[0] in _GLOBAL_FLAGS:
        from callao.cli.parsing import overview

        echo(overview.text() if _GLOBAL_FLAGS[words[0]] else overview.version())
        return 0
    from callao.cli.parsing import quick_parser

    plain: CommonFlags = {}
    line = quick_parser.parse_line(words, plain)
    if line is None:
        from callao.cli.parsing import click_parser

        return click_parser.run(words, flags)
    flags.update(plain)
    return quick_parser.run(line, flags)


def _give_up_output() -> None:
    """The reader of our output has closed it: prevent a second error when Python flushes at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _error_text(error: CallaoError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
