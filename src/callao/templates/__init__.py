# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: found by name or path, read with their bases."""

from callao.templates.find import names
from callao.templates.resolve import Resolved, layered, resolve

__all__ = ["Resolved", "layered", "names", "resolve"]
