# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml's names in Ansible's spelling. Private to the collection."""

from __future__ import annotations

import re

_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case_keys(entry):
    """The mapping with ``hostPort`` as ``host_port``; None stays None."""
    if entry is None:
        return None
    return {_CAPITALS.sub("_", key).lower(): value for key, value in entry.items()}
