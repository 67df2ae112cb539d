# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that others bring: programs named ``callao-NAME`` or ``limactl-NAME``.

A script tells what it does in a ``<limactl-desc>`` comment.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import click

from callao.errors import CallaoError
from callao.plugins import PREFIXES, folders, plugin, runs
from callao.printable import printable

_DESCRIPTION = re.compile(rb"<(?:limactl|callao)-desc>(.*?)</(?:limactl|callao)-desc>", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEAD = 16 * 1024
"""Bytes of a script that are searched for its description."""


@dataclass(frozen=True)
class External:
    """A program, and what it says of itself; nothing for one that is no script."""

    name: str
    path: Path
    description: str = ""


def discover() -> list[External]:
    """Each command once, the first place winning, by name."""
    found: dict[str, External] = {}
    for folder in folders():
        for prefix in PREFIXES:
            for path in sorted(folder.glob(f"{prefix}*")):
                name = path.name.removeprefix(prefix)
                if name not in found and _NAME.fullmatch(name) and runs(path):
                    found[name] = External(name, path, _description(path))
    return sorted(found.values(), key=lambda each: each.name)


def command(name: str) -> click.Command | None:
    """The external command of that name, all its arguments its own."""
    if not _NAME.fullmatch(name):
        return None
    path = plugin(name)
    return _Program(name, path) if path is not None else None


class _Program(click.Command):
    """Takes its arguments as they are, ``--help`` and ``--`` too, and becomes the program."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, add_help_option=False)
        self.path = path

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> None:
        try:
            os.execv(self.path, [str(self.path), *ctx.args])  # noqa: S606 - an argv list, no shell
        except OSError as error:
            raise CallaoError(f"{self.path} cannot be run: {error.strerror}.") from error


def _description(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    match = _DESCRIPTION.search(head) if head.startswith(b"#!") else None
    return printable(" ".join(match.group(1).decode("utf-8", "replace").split())) if match else ""
