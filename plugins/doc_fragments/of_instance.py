# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of the modules that are about one instance."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  instance:
    description: The instance's name.
    type: str
    required: true
"""
