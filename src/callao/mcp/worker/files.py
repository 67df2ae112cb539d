# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools list_directory, read_file and write_file."""

import sys

assert sys.platform == "linux"

import os
import stat
import time

from callao.mcp.worker.confinement import Confinement
from callao.mcp.worker.failure import ToolError, os_failure, shown

MAX_ENTRIES = 10000
"""Entries of a directory, or matches of a pattern, in one answer."""

MAX_NAMES = 2 << 20
"""Bytes of all their names."""

_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}
"""The bits of Go's fs.FileMode, which are not those of st_mode."""


def list_directory(path: bytes, confinement: Confinement) -> "tuple[dict[str, object], list[str]]":
    """Returns the result and notices, as all tools do."""
    with confinement.locate(path) as place:
        descriptor = None
        try:
            descriptor = place.open_directory()
            names = sorted(map(os.fsencode, os.listdir(descriptor)))  # noqa: PTH208 - no path
            kept = shortened(names)
            entries = [entry for name in kept for entry in _entry(name, descriptor)]
        except OSError as error:
            raise os_failure(error, path) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
    notices = [] if len(kept) == len(names) else [f"cut: the first {len(kept)} of {len(names)} entries"]
    return {"entries": entries}, notices


def shortened(names: "list[bytes]") -> "list[bytes]":
    """The first names, as many as an answer holds."""
    left = MAX_NAMES
    for count, name in enumerate(names[:MAX_ENTRIES]):
        left -= len(name)
        if left < 0:
            return names[:count]
    return names[:MAX_ENTRIES]


def _entry(name: bytes, directory: int) -> "list[dict[str, object]]":
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:  # removed meanwhile
        return []
    modified = time.gmtime(max(0, min(int(found.st_mtime), 253402300799)))
    return [
        {
            "name": shown(name),
            "size": found.st_size,
            "mode": go_mode(found.st_mode),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", modified),
            "is_dir": stat.S_ISDIR(found.st_mode),
        }
    ]


def go_mode(mode: int) -> int:
    """st_mode as Go's fs.FileMode has it."""
    bits = sum(go for bit, go in _GO_BITS.items() if mode & bit)
    return (mode & 0o777) | _GO_TYPES.get(stat.S_IFMT(mode), 0) | bits


def read_file(path: bytes, limit: int, confinement: Confinement) -> "tuple[dict[str, object], list[str]]":
    """:param limit: bytes of the content that are returned at most."""
    with confinement.locate(path) as place:
        descriptor = None
        try:
            descriptor = place.open_file(os.O_RDONLY)
            data = _read(descriptor, limit + 1)
            size = max(os.fstat(descriptor).st_size, len(data))
        except OSError as error:
            raise os_failure(error, path) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
    kept = data[:limit]
    text = decoded(kept, cut=len(data) > limit)
    if text is None:
        raise ToolError(
            f"{shown(path)}: a binary file, or not UTF-8 ({size} bytes); "
            "inspect it by run_shell_command, such as file, xxd or iconv"
        )
    if len(data) <= limit:
        return {"content": text}, []
    kept_size = len(text.encode())
    notice = (
        f"cut: the first {kept_size} of {size} bytes; "
        f"read on by run_shell_command: tail -c +{kept_size + 1} FILE | head -c {limit}"
    )
    return {"content": f"{text}\n[{notice}]\n"}, [notice]


def decoded(data: bytes, cut: bool) -> "str | None":
    """The text of a file; None if it is binary.

    :param cut: whether the data may end inside a character.
    """
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if cut and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8")
        return None


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_file(
    path: bytes, content: bytes, confinement: Confinement
) -> "tuple[dict[str, object], list[str]]":
    """Creates missing directories; an existing file keeps its owner, mode and links."""
    for _ in range(3):
        try:
            _write(path, content, confinement)
        except FileExistsError:  # another program has made it since it was looked for
            continue
        return {}, []
    raise ToolError(f"{shown(path)}: another program makes and removes it all the time")


def _write(path: bytes, content: bytes, confinement: Confinement) -> None:
    with confinement.locate(path, create_parents=True) as place:
        descriptor = None
        try:
            if place.pinned is None:
                descriptor = place.create_file()
            else:
                descriptor = place.open_file(os.O_WRONLY | os.O_TRUNC)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except FileExistsError:
            raise
        except OSError as error:
            raise os_failure(error, path) from error
        finally:
            if descriptor is not None:
                os.close(descriptor)
