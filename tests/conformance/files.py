# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a parser looks at: those of a corpus case, or the disk's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

CONTENT = {"raw": b"\0" * 512, "qcow2": b"QFI\xfb", "short": b"QFI", "text": b"text\n", "empty": b""}


class Files(Protocol):
    """``head`` and ``write`` raise OSError as open(2) does."""

    def head(self, path: str) -> bytes:
        """The first four bytes."""

    def open(self, path: str) -> None:
        """Open for reading; a directory opens too."""

    def write(self, path: str) -> None:
        """Open for writing, made if it is not there."""

    def is_directory(self, path: str) -> bool: ...


class Disk:
    """The file system of this machine."""

    def head(self, path: str) -> bytes:
        with Path(path).open("rb") as file:
            return file.read(4)

    def open(self, path: str) -> None:
        os.close(os.open(path, os.O_RDONLY))

    def write(self, path: str) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))

    def is_directory(self, path: str) -> bool:
        return Path(path).is_dir()


class Tree:
    """The files that a corpus case names; their parent directories are there, everything else is absent.

    Kinds: raw, qcow2, short, text, empty (see CONTENT), directory, dangling (a link to nothing), absent.
    """

    def __init__(self, files: Mapping[str, str], *, top: str = "/tmp/vf") -> None:
        self._kinds = {os.path.normpath(path): kind for path, kind in files.items()}
        present = [path for path, kind in self._kinds.items() if kind != "absent"]
        self._directories = {"/", *parents(top), top}
        for path in present:
            self._directories.update(parents(path))

    def head(self, path: str) -> bytes:
        kind = self._kind(path)
        if kind == "directory":
            raise IsADirectoryError(path)
        if kind in ("absent", "dangling"):
            raise FileNotFoundError(path)
        return CONTENT[kind][:4]

    def open(self, path: str) -> None:
        if self._kind(path) in ("absent", "dangling"):
            raise FileNotFoundError(path)

    def write(self, path: str) -> None:
        kind = self._kind(path)
        if kind == "directory":
            raise IsADirectoryError(path)
        if kind in ("absent", "dangling"):
            if self._kind(str(Path(os.path.normpath(path)).parent)) != "directory":
                raise FileNotFoundError(path)
            self._kinds[os.path.normpath(path)] = "text"

    def is_directory(self, path: str) -> bool:
        return self._kind(path) == "directory"

    def _kind(self, path: str) -> str:
        if not path:
            return "absent"
        found = os.path.normpath(path)
        if path.endswith("/") and self._kinds.get(found, "directory") != "directory":
            return "absent"
        if found in self._directories or found == ".":
            return "directory"
        return self._kinds.get(found, "absent")


def parents(path: str) -> list[str]:
    return [str(each) for each in Path(path).parents]
