#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install the sudoers file that lets a group start networks of macOS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sudoers
short_description: Let a group start the networks of macOS without a password
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Has the file in sudoers.d allow exactly the commands that start and stop socket_vmnet for the networks of
    C(_config/networks.yaml), to the group that is named there.
  - The text is the one that C(limactl sudoers) prints. visudo checks it before it is installed.
  - Nothing is installed while one of the paths in networks.yaml could be changed by others than root.
extends_documentation_fragment:
  - callao.lima.attributes
attributes:
  diff_mode:
    support: full
    details:
      - Shows the file before and after.
options:
  path:
    description:
      - The file. C(paths.sudoers) of networks.yaml when not given.
    type: path
  state:
    description:
      - V(present) installs the file, or replaces one that is out of date.
      - V(absent) removes it.
      - A file that is not one of Lima or Callao is left alone, and is an error.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Installing needs root, or a user for whom sudo asks no password. With C(become), set O(lima_home) to the
    folder of the user whose networks they are.
seealso:
  - module: callao.lima.network
"""

EXAMPLES = r"""
- name: Let the group of networks.yaml start its networks
  callao.lima.sudoers:
    lima_home: /Users/ana/.lima
  become: true

- name: Take that away
  callao.lima.sudoers:
    lima_home: /Users/ana/.lima
    path: /private/etc/sudoers.d/lima
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /private/etc/sudoers.d/lima
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def ensure(module):
    def work(_reporter, home, _host):
        from callao.networks.vmnet.install import ensure_sudoers

        outcome = ensure_sudoers(
            home,
            path=module.params["path"],
            present=module.params["state"] == "present",
            check=module.check_mode,
        )
        return {
            "changed": outcome.changed,
            "path": outcome.path,
            "diff": {
                "before_header": outcome.path,
                "after_header": outcome.path,
                "before": outcome.before or "",
                "after": outcome.after or "",
            },
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "path": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
