#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Share a directory with a running instance, or no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mount
short_description: Share directories with a running virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Mounts a directory of the machine that runs the virtual machine in its guest, without a restart.
  - A directory that is not O(writable) is read-only on the host's side, whatever the guest's root does.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.of_instance
attributes:
  diff_mode:
    support: full
    details:
      - Shows what is at the mount point, before and after.
options:
  location:
    description:
      - The directory on the host, absolute or below V(~).
      - Needed with O(state=mounted).
    type: str
  mount_point:
    description: Where the guest has it. The path of O(location) when not given.
    type: str
  type:
    description:
      - How it is shared. V(virtiofs) and V(9p) take one of eight slots of the machine, and need a
        kernel that has them; V(reverse-sshfs) needs C(sshfs) in the guest.
      - When not given, the instance's own C(mountType) where that can be added now, else
        V(reverse-sshfs).
    type: str
    choices: [reverse-sshfs, 9p, virtiofs]
  writable:
    description: Whether the guest may write.
    type: bool
    default: false
  persist:
    description:
      - Whether lima.yaml says so, too, so that the next start mounts it, or no longer does.
      - Works on a stopped instance as well.
    type: bool
    default: false
  state:
    description:
      - Whether it shall be mounted. What is at the mount point already is replaced.
      - An instance that does not exist has nothing mounted, so that V(unmounted) is met.
    type: str
    choices: [mounted, unmounted]
    default: mounted
seealso:
  - module: callao.lima.mount_info
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Share the sources with the box, writable
  callao.lima.mount:
    instance: web
    location: "{{ playbook_dir }}/src"
    mount_point: /srv/src
    writable: true

- name: Share them by virtiofs, now and after each start
  callao.lima.mount:
    instance: web
    location: ~/shop
    type: virtiofs
    persist: true

- name: No longer
  callao.lima.mount:
    instance: web
    mount_point: /srv/src
    state: unmounted
"""

RETURN = r"""
mount:
  description: What is at the mount point now, or would be; null when there is nothing.
  returned: success
  type: dict
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
      description: How it is shared; missing in check mode where the instance would choose.
      type: str
      returned: when known
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
      sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def ensure(module):
    def work(_reporter, home, host):
        from callao.lifecycle.mounts import MountRequest, ensure_mount

        params = {
            key: value for key, value in module.params.items() if value is not None and key not in HOME
        }
        outcome = ensure_mount(MountRequest(**params), home=home, host=host, check=module.check_mode)
        before, after = snake_case_keys(outcome.before), snake_case_keys(outcome.after)
        return {
            "changed": outcome.changed,
            "mount": after,
            "diff": {"before": before or {}, "after": after or {}},
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "instance": {"type": "str", "required": True},
            "location": {"type": "str"},
            "mount_point": {"type": "str"},
            "type": {"type": "str", "choices": ["reverse-sshfs", "9p", "virtiofs"]},
            "writable": {"type": "bool", "default": False},
            "persist": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["mounted", "unmounted"], "default": "mounted"},
        },
        required_if=[("state", "mounted", ["location"])],
        required_one_of=[["location", "mount_point"]],
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
