# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a task may go with an instance that runs, or is there."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  restart:
    description:
      - What to do when a running instance needs a restart for a change to take effect.
      - V(auto) restarts it.
      - V(never) writes the change down, and warns that it takes effect at the next start.
    type: str
    choices: [auto, never]
    default: auto
  force:
    description: Whether to end the machine without asking the guest to shut down, where it has to end.
    type: bool
    default: false
  recreate:
    description: Whether to remove an existing instance, with all that is on its disk, and make it anew.
    type: bool
    default: false
"""
