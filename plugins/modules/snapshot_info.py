#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at the snapshots of an instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: Look at the snapshots of a virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns the snapshots of an instance, whether it runs or not, the oldest first.
extends_documentation_fragment:
  - callao.lima.attributes.info
  - callao.lima.of_instance
options:
  name:
    description:
      - The snapshot to look at. One that does not exist is left out.
      - All of them when not given.
    type: str
seealso:
  - module: callao.lima.snapshot
"""

EXAMPLES = r"""
- name: Look at the snapshots
  callao.lima.snapshot_info:
    instance: web
  register: found

- name: Look at one
  callao.lima.snapshot_info:
    instance: web
    name: pristine

- name: Say how much they take
  ansible.builtin.debug:
    msg: "{{ found.snapshots | map(attribute='size') | sum | human_readable }}"
"""

RETURN = r"""
snapshots:
  description: One entry for each.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: pristine
    created:
      description: When it was taken, in UTC.
      type: str
      returned: always
      sample: "2026-01-31T12:00:00Z"
    age:
      description: Seconds since then.
      type: int
      returned: always
      sample: 3600
    memory:
      description: Whether the memory is in it, too, so that a return to it takes no boot.
      type: bool
      returned: always
      sample: true
    size:
      description: Bytes that it takes on the disk.
      type: int
      returned: always
      sample: 322961408
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def read_snapshots(module):
    def work(_reporter, home, host):
        from callao.instances import inspect
        from callao.lifecycle.snapshots.ensure import snapshots_of

        instance = inspect(module.params["instance"], home, host)
        return {"changed": False, "snapshots": snapshots_of(instance, module.params["name"])}

    return work


def main():
    module = AnsibleModule(
        argument_spec={**HOME, "instance": {"type": "str", "required": True}, "name": {"type": "str"}},
        supports_check_mode=True,
    )
    run(module, read_snapshots(module))


if __name__ == "__main__":
    main()
