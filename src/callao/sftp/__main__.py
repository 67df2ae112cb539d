# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -P -m callao.sftp``: serve one directory to the client at standard input and output."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import argparse
import logging
import os
import resource

from paramiko.sftp import SFTPError

from callao.sftp.session import Session
from callao.sftp.stream import Stream
from callao.sftp.tree import Tree

_MAX_FILES = 4096
_RESERVED_FILES = 64
"""Descriptors that are kept free for path resolution and for Python itself."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="callao.sftp", description=__doc__)
    parser.add_argument("--root", required=True, help="the directory, by its absolute path")
    parser.add_argument("--writable", action="store_true", help="let the client change it")
    parser.add_argument("--follow-symlinks", action="store_true", help="follow links that stay within it")
    wish = parser.parse_args()
    if not wish.root.startswith("/") or ".." in wish.root.split("/"):
        parser.error("--root has to be an absolute path without '..'")
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    stream = Stream(0, os.dup(1))
    os.dup2(2, 1)  # output of a print would corrupt the protocol
    try:
        tree = Tree(wish.root, follow=wish.follow_symlinks)
        Session(stream, tree, writable=wish.writable, handles=_max_handles()).serve(stream)
    except (OSError, SFTPError) as error:
        print(f"callao.sftp: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _max_handles() -> int:
    """The number of files that a client may open; raises the process's limit as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _MAX_FILES:
        soft = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(min(soft, _MAX_FILES) - _RESERVED_FILES, 16)


if __name__ == "__main__":
    raise SystemExit(main())
