#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at instances."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_info
short_description: Look at Linux virtual machines
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns what is known of one instance, of several, or of all, whoever made them.
  - Starts nothing and changes nothing.
extends_documentation_fragment:
  - callao.lima.attributes.info
options:
  name:
    description:
      - The names of the instances to look at. One that does not exist is left out.
      - All instances when not given.
    type: list
    elements: str
  configuration:
    description: Whether to return the effective configuration of each instance, too.
    type: bool
    default: false
seealso:
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Look at all instances
  callao.lima.instance_info:
  register: lima

- name: Say which of them run
  ansible.builtin.debug:
    msg: "{{ lima.instances | selectattr('status', 'equalto', 'Running') | map(attribute='name') }}"

- name: Look at two of them, with all of their configuration
  callao.lima.instance_info:
    name: [web, db]
    configuration: true
"""

RETURN = r"""
instances:
  description:
    - The instances, by name. Each as RV(callao.lima.instance#module:instance) has it.
    - With O(configuration=true), each also has C(config), its effective lima.yaml.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web
      status: Running
      dir: /home/ana/.lima/web
      vm_type: qemu
      arch: x86_64
      cpus: 2
      memory: 2147483648
      disk: 107374182400
      template: debian-12
      labels:
        project: shop
      protected: false
      autostart: false
      errors: []
      ssh:
        address: 127.0.0.1
        port: 60022
        user: ana
        identity_file: /home/ana/.lima/_config/user
        known_hosts_file: /home/ana/.lima/web/known_hosts
        host_key_alias: lima-web
        config_file: /home/ana/.lima/web/ssh.config
      timings:
        ready: 33.4
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def look(module):
    def work(_reporter, home, host):
        from callao.errors import InstanceNotFound
        from callao.instances import inspect, names, summary

        wanted = module.params["name"]
        existing = names(home)
        instances = []
        for name in existing if wanted is None else [name for name in wanted if name in existing]:
            try:
                instance = inspect(name, home, host)
            except InstanceNotFound:  # deleted meanwhile
                continue
            found = summary(instance)
            if module.params["configuration"]:
                found["config"] = effective(instance)
            instances.append(found)
        return {"changed": False, "instances": instances}

    return work


def effective(instance):
    """None for an instance whose lima.yaml cannot be understood."""
    from callao.config import to_document

    return None if instance.config is None else to_document(instance.config)


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "name": {"type": "list", "elements": "str"},
            "configuration": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run(module, look(module))


if __name__ == "__main__":
    main()
