# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of the modules that may ask the network."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  offline:
    description:
      - Whether to do with what is in the cache, and never ask the network. What is missing is an error.
      - When not given, the environment variable C(CALLAO_OFFLINE) of the machine that runs the virtual
        machines decides, and without that the network is used.
    type: bool
"""
