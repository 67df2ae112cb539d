# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of a resolved template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec


def document_digest(document: Mapping[str, object]) -> str:
    """``sha256:HEX`` of the document's canonical JSON: a comment or the order of keys is no change."""
    text = msgspec.json.encode(document, order="sorted")
    return "sha256:" + hashlib.sha256(text).hexdigest()
