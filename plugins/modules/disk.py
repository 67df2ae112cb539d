#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create, import, grow, unlock and delete one additional disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk
short_description: Manage disks that outlive virtual machines
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Makes an additional disk what the task says. Instances list it in C(additionalDisks), or in
    O(callao.lima.instance#module:disks), and one at a time has it.
  - The disk keeps its content when instances are deleted or made anew. A guest formats it when it holds
    nothing.
extends_documentation_fragment:
  - callao.lima.attributes
attributes:
  diff_mode:
    support: full
    details:
      - Shows the disk before and after.
options:
  name:
    description:
      - The disk's name. Letters and digits, with single dots, dashes and underscores between them.
    type: str
    required: true
  size:
    description:
      - The size with its unit, such as V(20GiB), or in bytes. Needed for a new disk without O(source).
      - A smaller disk grows, unless a machine has it; the guest's file system grows at the next start. It
        never shrinks.
    type: str
  format:
    description:
      - The format of a new disk. V(qcow2) when not given, or that of O(source).
      - It never changes. Only a qcow2 can be in snapshots.
    type: str
    choices: [qcow2, raw]
  source:
    description:
      - An image, qcow2 or raw, whose content a new disk begins with. It is checked, copied and compared with
        its copy.
      - A disk that exists stays as it is.
    type: path
  state:
    description:
      - V(present) creates the disk where there is none, and grows it to O(size).
      - V(absent) deletes it with its content.
      - V(unlocked) frees it when the instance that had it is gone, and is met by a disk that does not exist.
    type: str
    choices: [present, absent, unlocked]
    default: present
  force:
    description: Whether to delete a disk that an instance has, or lists in its C(additionalDisks).
    type: bool
    default: false
seealso:
  - module: callao.lima.disk_info
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Have a disk
  callao.lima.disk:
    name: data
    size: 20GiB

- name: Have one that is raw
  callao.lima.disk:
    name: scratch
    size: 4GiB
    format: raw

- name: Have one that begins with the content of an image
  callao.lima.disk:
    name: shop
    source: /srv/images/shop.qcow2

- name: Free it, since the instance that had it was killed
  callao.lima.disk:
    name: data
    state: unlocked

- name: Have it no more, whoever lists it
  callao.lima.disk:
    name: data
    state: absent
    force: true
"""

RETURN = r"""
disk:
  description: The disk as it is now, or would be; null when there is none.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: data
    size:
      description: Bytes that a guest sees.
      type: int
      returned: when known
      sample: 21474836480
    format:
      description: C(qcow2) or C(raw).
      type: str
      returned: when known
      sample: qcow2
    dir:
      description: Its folder.
      type: str
      returned: unless it would be created, in check mode
      sample: /home/ana/.lima/_disks/data
    instance:
      description: The instance that has it, running or not; empty while it is free.
      type: str
      returned: unless it would be created, in check mode
      sample: web
    instance_dir:
      description: The folder of that instance.
      type: str
      returned: unless it would be created, in check mode
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


def ensure(module):
    def work(_reporter, home, _host):
        from pathlib import Path

        from callao.disks.ensure import DiskRequest, ensure_disk

        params = {key: value for key, value in module.params.items() if key not in HOME}
        source = Path(params["source"]) if params["source"] else None
        request = DiskRequest(**{**params, "source": source})
        outcome = ensure_disk(request, home=home, check=module.check_mode)
        before, after = snake_case_keys(outcome.before), snake_case_keys(outcome.after)
        return {
            "changed": outcome.changed,
            "disk": after,
            "diff": {"before": before or {}, "after": after or {}},
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "name": {"type": "str", "required": True},
            "size": {"type": "str"},
            "format": {"type": "str", "choices": ["qcow2", "raw"]},
            "source": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent", "unlocked"], "default": "present"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
