#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what is shared with an instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mount_info
short_description: Look at the directories shared with a virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns what is mounted in a running instance now, and of a stopped one what lima.yaml says.
extends_documentation_fragment:
  - callao.lima.attributes.info
  - callao.lima.of_instance
seealso:
  - module: callao.lima.mount
"""

EXAMPLES = r"""
- name: Look at what is shared
  callao.lima.mount_info:
    instance: web
  register: shared
"""

RETURN = r"""
mounts:
  description: One entry for each.
  returned: success
  type: list
  elements: dict
  contains:
    location:
      description: The directory on the host.
      type: str
      returned: always
      sample: /home/ana/shop/src
    mount_point:
      description: Where the guest has it.
      type: str
      returned: always
      sample: /srv/src
    type:
      description: How it is shared.
      type: str
      returned: always
      sample: virtiofs
    writable:
      description: Whether the guest may write.
      type: bool
      returned: always
      sample: true
    hot:
      description: Whether it was mounted while the machine ran.
      type: bool
      returned: always
      sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def read_mounts(module):
    def work(_reporter, home, host):
        from callao.instances import inspect
        from callao.lifecycle.mounts import mounts_of

        found = mounts_of(inspect(module.params["instance"], home, host))
        return {"changed": False, "mounts": [snake_case_keys(each) for each in found]}

    return work


def main():
    module = AnsibleModule(
        argument_spec={**HOME, "instance": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    run(module, read_mounts(module))


if __name__ == "__main__":
    main()
