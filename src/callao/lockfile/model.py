# SPDX-License-Identifier: GPL-3.0-or-later
"""The typed records of a lock file."""

from __future__ import annotations

import msgspec

VERSION = 1
"""The version of the file's format; other versions are refused."""

ANY_ARCH = "any"
"""In place of an architecture: the image for guests whose architecture has no image of its own."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Refuses unknown keys, because a misspelled key must not disable a check."""


class LockedSource(_Strict, frozen=True, kw_only=True):
    """One source text of a template."""

    location: str
    digest: str


class LockedFile(_Strict, frozen=True, kw_only=True):
    """``size`` is in bytes; 0 where the server did not say."""

    location: str
    digest: str
    size: int = 0


class LockedKernel(LockedFile, frozen=True, kw_only=True):
    cmdline: str = ""


class LockedImage(LockedFile, frozen=True, kw_only=True):
    """The image that instances of a template must use, for one architecture."""

    kernel: LockedKernel | None = None
    initrd: LockedFile | None = None

    def files(self) -> tuple[LockedFile, ...]:
        """The image, kernel and initrd."""
        return tuple(file for file in (self, self.kernel, self.initrd) if file is not None)


class LockedTemplate(_Strict, frozen=True, kw_only=True):
    """``digest`` is of the template with all its bases; ``packages`` is a snapshot's URL, or empty."""

    digest: str
    sources: tuple[LockedSource, ...] = ()
    images: dict[str, LockedImage] = {}
    packages: str = ""


class Lock(_Strict, frozen=True, kw_only=True):
    """A whole lock file; ``templates`` are by their key, see :mod:`callao.lockfile.names`."""

    version: int
    engine: str = ""
    templates: dict[str, LockedTemplate] = {}
