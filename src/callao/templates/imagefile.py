# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a template from an image's location, as in ``callao start ./disk.qcow2``, by Lima's rules. Pure."""

from __future__ import annotations

import posixpath
import re

_FILE = re.compile(r"\.(img|qcow2|raw|iso|ipsw)(\.(gz|xz|bz2|zstd))?$")

_ARCH = {
    "aarch64": "aarch64",
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armhf": "armv7l",
    "armv7l": "armv7l",
    "ppc64el": "ppc64le",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "x86_64": "x86_64",
}
_OS = {r"FreeBSD": "FreeBSD", r"macOS": "Darwin", r"\.ipsw": "Darwin"}

_GENERIC = (
    *("base", "basic", "cloud", "cloudimg", "cloudinit", "current", "daily", "default", "generic"),
    *("genericcloud", "kvm", "latest", "linux", "minimal", "openstack", "release", "restore", "server"),
    *("std", "stream", "uefi", "vm"),
)
"""Generic parts of an image's file name."""


def is_image(locator: str) -> bool:
    """Whether the location is an image's, by the end of its file name."""
    return _FILE.search(locator) is not None


def image_document(locator: str, native: str) -> dict[str, object]:
    """The template for an image.

    :param native: the host's architecture, which is used when the file name contains none.
    """
    system = next((os for word, os in _OS.items() if _contains(rf"(?i:{word})", locator)), "Linux")
    arch = next((arch for word, arch in _ARCH.items() if _contains(word, locator)), "")
    arch = arch or ("aarch64" if system == "Darwin" else native)
    return {"os": system, "arch": arch, "images": [{"location": locator, "arch": arch}]}


def image_name(locator: str, native: str) -> str:
    """The default name of an instance that is made from an image: the file's name without generic parts."""
    name = _FILE.sub("", posixpath.basename(locator).lower()).removeprefix("nocloud_")
    for word in _GENERIC:
        name = _remove_word(word, name)
    name = name.replace("universalmac_", "macos-", 1).replace("arm64-aarch64", "arm64", 1)
    arch = str(image_document(locator, native)["arch"])
    if arch == native:
        name = _remove_word(arch, name)
    name = re.sub(r"[-_.]20\d{6}([-_.]\d+)?\b", "", name, flags=re.ASCII)
    name = re.sub(r"^arch\b", "archlinux", name, flags=re.ASCII)
    name = re.sub(r"-(\d+)-(\d+)\.", _without_repeat, name, flags=re.ASCII)
    return re.sub(r"^(macos-[\d.]+)[-_].*$", r"\1", name, flags=re.ASCII)


def _contains(word: str, text: str) -> bool:
    return re.search(rf"\b{word}\b", text, re.ASCII) is not None


def _remove_word(word: str, name: str) -> str:
    return re.sub(rf"[-_.]{word}\b", "", name, flags=re.ASCII)


def _without_repeat(found: re.Match[str]) -> str:
    """``rocky-8-8.10`` is ``rocky-8.10``."""
    return f"-{found[1]}." if found[1] == found[2] else found[0]
