#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at additional disks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_info
short_description: Look at disks that outlive virtual machines
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns the additional disks, and the instances that have them.
  - A disk whose image cannot be read is left out, with a warning.
extends_documentation_fragment:
  - callao.lima.attributes.info
options:
  name:
    description:
      - The disk to look at. One that does not exist is left out.
      - All of them when not given.
    type: str
seealso:
  - module: callao.lima.disk
"""

EXAMPLES = r"""
- name: Look at all disks
  callao.lima.disk_info:
  register: found

- name: Look at one
  callao.lima.disk_info:
    name: data

- name: Say which are free
  ansible.builtin.debug:
    msg: "{{ found.disks | selectattr('instance', '==', '') | map(attribute='name') }}"
"""

RETURN = r"""
disks:
  description: One entry for each.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: data
    size:
      description: Bytes that a guest sees.
      type: int
      returned: always
      sample: 21474836480
    format:
      description: C(qcow2) or C(raw).
      type: str
      returned: always
      sample: qcow2
    dir:
      description: Its folder.
      type: str
      returned: always
      sample: /home/ana/.lima/_disks/data
    instance:
      description: The instance that has it, running or not; empty while it is free.
      type: str
      returned: always
      sample: web
    instance_dir:
      description: The folder of that instance.
      type: str
      returned: always
      sample: /home/ana/.lima/web
    mount_point:
      description: Where a guest mounts it.
      type: str
      returned: always
      sample: /mnt/lima-data
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def read_disks(module):
    def work(_reporter, home, _host):
        from callao.disks.ensure import disks_of

        found, wrong = disks_of(home, module.params["name"])
        return {"changed": False, "disks": [snake_case_keys(each) for each in found], "notices": wrong}

    return work


def main():
    module = AnsibleModule(
        argument_spec={**HOME, "name": {"type": "str"}},
        supports_check_mode=True,
    )
    run(module, read_disks(module))


if __name__ == "__main__":
    main()
