# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules promise about themselves."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when
        in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation
        says that nothing changed.
    support: full
  action_group:
    description: Use C(group/callao.lima.lima) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - callao.lima.lima
  platform:
    description: Operating systems of the machine that runs the virtual machines.
    support: full
    platforms: linux
options:
  lima_home:
    description:
      - The folder that instances and images live in, on the machine that runs the virtual machines.
      - When not given, the one that the environment variable E(LIMA_HOME) names, or V(~/.lima).
      - The same for all tasks with C(module_defaults) and C(group/callao.lima.lima).
    type: path
requirements:
  - Python >= 3.11 and the Python package C(callao), both on the machine that runs the virtual machines.
notes:
  - The module runs on the machine that runs the virtual machines. With the C(local) connection and no
    C(ansible_python_interpreter) of yours, it runs under the Python of C(ansible-playbook) itself.
"""

    INFO = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when
        in diff mode.
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation
        says that nothing changed.
    support: full
  action_group:
    description: Use C(group/callao.lima.lima) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - callao.lima.lima
  platform:
    description: Operating systems of the machine that runs the virtual machines.
    support: full
    platforms: linux
options:
  lima_home:
    description:
      - The folder that instances and images live in, on the machine that runs the virtual machines.
      - When not given, the one that the environment variable E(LIMA_HOME) names, or V(~/.lima).
      - The same for all tasks with C(module_defaults) and C(group/callao.lima.lima).
    type: path
requirements:
  - Python >= 3.11 and the Python package C(callao), both on the machine that runs the virtual machines.
notes:
  - The module runs on the machine that runs the virtual machines. With the C(local) connection and no
    C(ansible_python_interpreter) of yours, it runs under the Python of C(ansible-playbook) itself.
"""
