# SPDX-License-Identifier: GPL-3.0-or-later
"""Enforces a lock file: each function raises an error, or returns the document that the lock allows."""

from __future__ import annotations

from collections.abc import Mapping

import callao
from callao.errors import LockError
from callao.lockfile.changes import describe_changes
from callao.lockfile.digest import document_digest
from callao.lockfile.model import ANY_ARCH, LockedFile, LockedImage, LockedTemplate
from callao.lockfile.names import key_of
from callao.lockfile.packages import provision
from callao.lockfile.text import LockFile
from callao.templates import Resolved

_INPUTS = ("images", "base")
"""Fields that would add an unlocked part to the machine."""


def enforce(file: LockFile, reference: str, resolved: Resolved) -> dict[str, object]:
    """The template's document, with only the locked image for each architecture.

    :raises LockError: when the template is not locked, or differs from the lock.
    """
    locked = _entry(file, reference)
    if document_digest(resolved.document) != locked.digest:
        key = key_of(reference, file.folder)
        raise LockError(
            f"{file.path}: {describe_changes(key, locked, resolved, file.folder)}",
            hint=f"Look at it; if it is right, run 'callao lock --file {file.path} --update {key}'.",
        )
    return {**resolved.document, "images": _images(locked)}


def enforce_override_files(
    file: LockFile, reference: str, document: Mapping[str, object]
) -> dict[str, object]:
    """The document after merging the files of ``$LIMA_HOME/_config``; its first script pins the packages.

    :raises LockError: when one of these files adds an image.
    """
    locked = _entry(file, reference)
    allowed = _images(locked)
    images = document.get("images")
    others = [image for image in images if image not in allowed] if isinstance(images, list) else []
    if others:
        location = others[0].get("location") if isinstance(others[0], Mapping) else others[0]
        raise LockError(
            f"images: {location!r}, from LIMA_HOME's _config, is not in {file.path}.",
            hint="Take it out there, or do without the lock.",
        )
    entry = provision(locked.packages)
    if entry is None:
        return dict(document)
    scripts = document.get("provision")
    return {**document, "provision": [entry, *(scripts if isinstance(scripts, list) else [])]}


def refuse_inputs(file: LockFile, config: Mapping[str, object]) -> None:
    """Refuse options that would add unlocked parts to the template.

    :raises LockError: with the option's key.
    """
    for key in _INPUTS:
        if config.get(key):
            raise LockError(
                f"config: {key}: is set beside the template, and {file.path} does not lock it.",
                hint="Put it into the template and lock that, or do without the lock.",
            )


def notices(file: LockFile) -> tuple[str, ...]:
    """Notices about differences that are not errors."""
    if file.lock.engine in ("", callao.__version__):
        return ()
    return (
        f"{file.path} was made by Callao {file.lock.engine}, and this is {callao.__version__}: "
        "run 'callao lock' to note that.",
    )


def _entry(file: LockFile, reference: str) -> LockedTemplate:
    key = key_of(reference, file.folder)
    locked = file.lock.templates.get(key)
    if locked is None:
        known = ", ".join(sorted(file.lock.templates)) or "none"
        raise LockError(
            f"template {key!r} is not in {file.path} (locked: {known}).",
            hint=f"Run 'callao lock --file {file.path} {key}'.",
        )
    return locked


def _images(locked: LockedTemplate) -> list[dict[str, object]]:
    """The images, those for a single architecture first, because one for any architecture matches all."""
    ordered = sorted(locked.images.items(), key=lambda item: (item[0] == ANY_ARCH, item[0]))
    return [_image(arch, image) for arch, image in ordered]


def _image(arch: str, image: LockedImage) -> dict[str, object]:
    document = _file(image) if arch == ANY_ARCH else {**_file(image), "arch": arch}
    if image.kernel is not None:
        cmdline = {"cmdline": image.kernel.cmdline} if image.kernel.cmdline else {}
        document["kernel"] = {**_file(image.kernel), **cmdline}
    if image.initrd is not None:
        document["initrd"] = _file(image.initrd)
    return document


def _file(file: LockedFile) -> dict[str, object]:
    return {"location": file.location, "digest": file.digest}
