# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of the guest that the server may use, and the client's paths in them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from callao.errors import CallaoError


class ToolFailure(Exception):
    """A tool that failed: the text is what the client is shown."""


@dataclass(frozen=True)
class Workspace:
    """What the tools may use.

    :param roots: absolute paths in the guest.
    :param base: the directory that is searched where the client names none.
    :param shares: each shared directory of the host, and its mount point in the guest.
    """

    roots: tuple[str, ...]
    base: str
    shares: tuple[tuple[str, str], ...] = ()

    def guest_path(self, path: str) -> str:
        """The path in the guest. A client on the host may name a file by its path on the host, which differs
        where a share is mounted elsewhere.

        :raises ToolFailure: for one that is empty or relative.
        """
        if not path:
            raise ToolFailure("path is empty")
        if not path.startswith("/"):
            raise ToolFailure(f"expected an absolute path, got a relative path: {path!r}")
        given = PurePosixPath(path)
        if any(given.is_relative_to(each) for each in self.roots if each != "/"):
            return path
        return shared_path(path, self.shares) or path


def shared_path(path: str, shares: Sequence[tuple[str, str]]) -> str | None:
    """Where the guest has a path of the host; None where it does not."""
    given = PurePosixPath(path)
    for location, mount_point in sorted(shares, key=lambda each: len(each[0]), reverse=True):
        if given.is_relative_to(location):
            return str(PurePosixPath(mount_point) / given.relative_to(location))
    return None


def workspace_of(
    shares: Sequence[tuple[str, str]], here: Sequence[str], roots: Sequence[str], allowed: Sequence[str]
) -> Workspace:
    """The workspace of an instance.

    :param here: the server's working directory on the host, as it is named and without links.
    :param roots: the only directories; none: the mount points of all shares.
    :param allowed: further directories.
    :raises CallaoError: for a directory that is not absolute, or if there would be none at all.
    """
    for option, paths in (("--root", roots), ("--allow", allowed)):
        for each in paths:
            if not each.startswith("/") or "\0" in each or ".." in PurePosixPath(each).parts:
                raise CallaoError(
                    f"{option}: {each!r} is not allowed (allowed: an absolute path of the guest, no '..')."
                )
    chosen = tuple(dict.fromkeys([*(roots or [mount for _, mount in shares]), *allowed]))
    if not chosen:
        raise CallaoError(
            "the instance shares no directory, so there is none that an agent may use.",
            hint="Share one: callao edit NAME --mount DIR:w; or name directories of the guest: --root DIR",
        )
    guest_here = next((found for each in here if (found := shared_path(each, shares))), None)
    if guest_here is None or not any(PurePosixPath(guest_here).is_relative_to(each) for each in chosen):
        guest_here = chosen[0]
    return Workspace(chosen, guest_here, tuple(shares))
