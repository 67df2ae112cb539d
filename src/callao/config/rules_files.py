# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules of fetched files: images, kernels, firmware, archives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.errors import Problem

DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
A_DIGEST = "sha256:, sha384: or sha512: and that many hex digits"

Document = Mapping[str, Any]
Problems = Iterator[Problem]


def files(filled: Document) -> Problems:
    """Each file has a location and a well-formed digest; kernel and initrd have the image's architecture."""
    if not filled["images"]:
        yield Problem("images", [], "is empty", "at least one image")
    for index, image in enumerate(filled["images"]):
        place = f"images[{index}]"
        yield from _file(image, place)
        yield from _parts(image, place)
    containerd = filled.get("containerd") or {}
    others = {"firmware.images": (filled.get("firmware") or {}).get("images")}
    if containerd.get("system") or containerd.get("user"):
        others["containerd.archives"] = containerd.get("archives")
    if filled["os"] == "Windows":
        options = (filled.get("osOpts") or {}).get("Windows") or {}
        others["osOpts.Windows.virtioWin"] = options.get("virtioWin")
    for key, entries in others.items():
        for index, entry in enumerate(entries or ()):
            yield from _file(entry, f"{key}[{index}]")


def _parts(image: Document, place: str) -> Problems:
    for part in ("kernel", "initrd"):
        inner = image.get(part)
        if inner is None:
            continue
        yield from _file(inner, f"{place}.{part}")
        if inner.get("arch") not in (None, image.get("arch")):
            yield Problem(
                f"{place}.{part}.arch", inner["arch"], "is not the image's arch", str(image.get("arch"))
            )
    if image.get("initrd") and not image.get("kernel"):
        yield Problem(f"{place}.initrd", image["initrd"], "needs a kernel", "kernel and initrd together")


def _file(file: Document, place: str) -> Problems:
    location = file.get("location")
    if not location:
        yield Problem(f"{place}.location", location, "is missing", "a URL or a path")
    elif location.startswith("~") and location != "~" and not location.startswith("~/"):
        words = "is below the home of another user"
        yield Problem(f"{place}.location", location, words, "a URL, a path, or one below ~")
    yield from digest(file, place)


def digest(file: Document, place: str) -> Problems:
    """The digest of a record that may have one is well-formed."""
    value = file.get("digest")
    if value and not DIGEST.fullmatch(value):
        yield Problem(f"{place}.digest", value, "is not a digest", A_DIGEST)
