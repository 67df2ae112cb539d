#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at the ports that an instance has on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_forward_info
short_description: Look at the forwarded ports of a virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns what is forwarded now from a running instance, and what cannot be and why.
extends_documentation_fragment:
  - callao.lima.attributes.info
  - callao.lima.of_instance
seealso:
  - module: callao.lima.port_forward
"""

EXAMPLES = r"""
- name: Look at the forwarded ports
  callao.lima.port_forward_info:
    instance: web
  register: ports
"""

RETURN = r"""
forwards:
  description: What is forwarded now. Nothing of a stopped instance.
  returned: success
  type: list
  elements: dict
  contains:
    proto:
      description: The protocol.
      type: str
      returned: always
      sample: tcp
    host_ip:
      description: The host's address.
      type: str
      returned: always
      sample: 127.0.0.1
    host_port:
      description: The host's port.
      type: int
      returned: always
      sample: 8080
    guest_port:
      description: The guest's port.
      type: int
      returned: always
      sample: 80
failed:
  description: What the rules want and cannot be, and why.
  returned: success
  type: list
  elements: dict
  contains:
    proto:
      description: The protocol.
      type: str
      returned: always
      sample: tcp
    host_ip:
      description: The host's address.
      type: str
      returned: always
      sample: 127.0.0.1
    host_port:
      description: The host's port.
      type: int
      returned: always
      sample: 8080
    guest_port:
      description: The guest's port.
      type: int
      returned: always
      sample: 80
    error:
      description: Why.
      type: str
      returned: always
      sample: tcp port 8080 on 127.0.0.1 is taken by nginx (pid 812)
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def read_forwards(module):
    def work(_reporter, home, host):
        from callao.instances import inspect
        from callao.lifecycle.port_forwards import forwards_of

        said = forwards_of(inspect(module.params["instance"], home, host))
        return {
            "changed": False,
            "forwards": [snake_case_keys(each) for each in said["forwards"]],
            "failed": [snake_case_keys(each) for each in said["failed"]],
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={**HOME, "instance": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    run(module, read_forwards(module))


if __name__ == "__main__":
    main()
