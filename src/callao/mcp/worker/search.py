# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool search_file_content: finds what ``git grep -n --no-index`` does, without git.

git and grep open a file by its path after they have looked at it; here each is opened relative to its
directory and never through a link.
"""

import sys

assert sys.platform == "linux"

import os
import re
import stat

from callao.mcp.worker.basic_regex import compiled, literal_of
from callao.mcp.worker.confinement import Confinement
from callao.mcp.worker.failure import ToolError, os_failure, shown
from callao.mcp.worker.find import DIRECTORY
from callao.mcp.worker.wildcard import Wildcard, has_wildcards

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_FILE = 64 << 20
"""Bytes of a file that are searched."""

_MAX_LINE = 4096
"""Characters of a line that are shown."""

_BINARY_HEAD = 8000
"""Bytes in which a NUL makes a file binary, as for git."""


def search_file_content(
    pattern: str, base: bytes, include: str, limit: int, confinement: Confinement
) -> "tuple[dict[str, object], list[str]]":
    """:param limit: bytes of the output."""
    if "\n" in pattern or "\0" in pattern:
        raise ToolError("pattern: has a newline or NUL character; lines are searched one by one")
    search = _Search(pattern, include, limit)
    with confinement.locate(base) as place:
        try:
            if stat.S_ISDIR(place.status().st_mode):
                descriptor = place.open_directory()
                try:
                    search.directory(descriptor, "")
                finally:
                    os.close(descriptor)
            else:
                search.file(place.open_file(os.O_RDONLY), shown(place.name))
        except _EnoughError:
            pass
        except OSError as error:
            raise os_failure(error, base) from error
    output = "".join(search.lines)
    if not search.cut:
        return {"git_grep_output": output}, []
    size = len(output.encode())
    notice = f"cut: the first {size} bytes of the output; narrow the pattern, path or include"
    return {"git_grep_output": f"{output}[{notice}]\n"}, [notice]


class _EnoughError(Exception):
    """The limit of the output is reached."""


class _Search:
    def __init__(self, pattern: str, include: str, limit: int) -> None:
        self.regex = compiled(pattern)
        self.literal = literal_of(pattern)
        self.include = _Include(include)
        self.left = limit
        self.lines = []  # type: list[str]
        self.cut = False

    def directory(self, descriptor: int, prefix: str) -> None:
        for name in sorted(map(os.fsencode, os.listdir(descriptor))):
            if name == b".git":
                continue
            path = prefix + shown(name)
            try:
                mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    child = os.open(name, DIRECTORY, dir_fd=descriptor)
                elif stat.S_ISREG(mode) and self.include.admits(path):
                    child = os.open(name, _FILE, dir_fd=descriptor)
                else:
                    continue
            except OSError:  # removed or replaced meanwhile, or not readable
                continue
            if not stat.S_ISDIR(mode):
                self.file(child, path)
                continue
            try:
                self.directory(child, path + "/")
            except OSError:
                pass
            finally:
                os.close(child)

    def file(self, descriptor: int, path: str) -> None:
        """Search an open file, and close it."""
        try:
            data = _content(descriptor)
        except OSError:
            return
        finally:
            os.close(descriptor)
        if self.literal is not None and self.literal.encode("utf-8", "surrogatepass") not in data:
            return
        text = data.decode("utf-8", "replace")
        if b"\0" in data[:_BINARY_HEAD]:
            if any(map(self.regex.search, text.split("\n"))):
                self.add(f"Binary file {path} matches\n")
            return
        lines = text.split("\n")
        for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
            if self.regex.search(line):
                self.add(f"{path}:{number}:{_shortened(line)}\n")

    def add(self, line: str) -> None:
        self.left -= len(line.encode())
        if self.left < 0:
            self.cut = True
            raise _EnoughError
        self.lines.append(line)


def _shortened(line: str) -> str:
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} [cut: {len(line)} characters]"


def _content(descriptor: int) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return b""
    parts = []
    left = _MAX_FILE
    while left > 0:
        part = os.read(descriptor, min(left, 1 << 20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class _Include:
    """``include``: as a pathspec of git, a directory, a file, or a pattern in which ``*`` matches ``/``."""

    def __init__(self, include: str) -> None:
        while include.startswith("./"):
            include = include[2:]
        self.prefix = "" if has_wildcards(include) else include.rstrip("/")
        patterns = re.sub(r"\A(\*\*/)+", "", include), include
        self.patterns = [Wildcard(each) for each in patterns] if has_wildcards(include) else []

    def admits(self, path: str) -> bool:
        if self.patterns:
            return any(each.matches(path) for each in self.patterns)
        return not self.prefix or path == self.prefix or path.startswith(self.prefix + "/")
