# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of the modules whose stages are shown while they run."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  events_file:
    description:
      - Where to write the stages as they pass, one JSON object a line, while the module runs. Must not exist
        yet; it is removed when the module ends.
      - Set by the action plugin, which shows the stages on the controller. There is no need to set it.
    type: path
notes:
  - A task that takes longer than a moment shows the stages as they pass, on the standard error of
    C(ansible-playbook). Set the variable C(callao_progress) to V(false) to keep it quiet.
"""
