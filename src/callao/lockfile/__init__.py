# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: pins templates, images and packages, and exports them for offline hosts."""

from callao.lockfile.bundle import export, unpack
from callao.lockfile.enforce import enforce, enforce_override_files, notices, refuse_inputs
from callao.lockfile.ensure import LockOutcome, ensure_lock
from callao.lockfile.make import make
from callao.lockfile.model import Lock, LockedImage, LockedTemplate
from callao.lockfile.names import key_of, reference_of
from callao.lockfile.remote_files import RemoteFile, fetch_all, required_files
from callao.lockfile.text import LockFile, parse, read, render, write

__all__ = [
    "Lock",
    "LockFile",
    "LockOutcome",
    "LockedImage",
    "LockedTemplate",
    "RemoteFile",
    "enforce",
    "enforce_override_files",
    "ensure_lock",
    "export",
    "fetch_all",
    "key_of",
    "make",
    "notices",
    "parse",
    "read",
    "reference_of",
    "refuse_inputs",
    "render",
    "required_files",
    "unpack",
    "write",
]
