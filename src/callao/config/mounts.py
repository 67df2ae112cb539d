# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills in mount points and checks locations of ``mounts``, after their variables are replaced. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from callao.config.sizes import parse_size

Document = dict[str, Any]
_NESTED = ("sshfs", "9p", "virtiofs")


def fill_mounts(entries: Sequence[Mapping[str, Any]], home: str) -> list[Document]:
    """The mounts with cleaned locations and with mount points; entries with the same mount point are merged.

    The first entry of a mount point keeps its location and position; other fields of later entries win, so
    that ``override.yaml`` can make a template's mount writable.

    :param entries: those of the least specific layer first.
    :param home: the user's home directory on this host, for ``~``.
    """
    combined: dict[str, Document] = {}
    for raw in entries:
        entry = _with_mount_point(raw, home)
        mount_point = entry["mountPoint"]
        combined[mount_point] = (
            _merge_mount(combined[mount_point], entry) if mount_point in combined else entry
        )
    return [_fill_9p(entry) for entry in combined.values()]


def _with_mount_point(entry: Mapping[str, Any], home: str) -> Document:
    location = entry.get("location", "")
    if location:
        location = _clean(below_home(location, home))
    return {**entry, "location": location, "mountPoint": entry.get("mountPoint") or _mount_point(location)}


def below_home(location: str, home: str) -> str:
    """A path of the host with ``~`` replaced by the user's home."""
    return home + location[1:] if location == "~" or location.startswith("~/") else location


def _clean(path: str) -> str:
    """Like Go's filepath.Clean: two slashes at the beginning become one."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _mount_point(location: str) -> str:
    """The location's own path; below ``/mnt`` for the home of root, which exists in the guest, too."""
    below_root = location == "/root" or location.startswith("/root/")
    return f"/mnt{location}" if below_root else location


def _merge_mount(under: Document, entry: Document) -> Document:
    nested = {key: {**under[key], **entry[key]} for key in _NESTED if key in under and key in entry}
    return {**under, **entry, **nested, "location": under["location"]}


def _fill_9p(entry: Document) -> Document:
    p9 = dict(entry.get("9p", {}))
    p9["msize"] = parse_size(p9.get("msize", "128KiB"))
    p9.setdefault("cache", "mmap" if entry.get("writable") else "fscache")
    return {**entry, "9p": p9}
