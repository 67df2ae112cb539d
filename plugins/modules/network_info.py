#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at the networks of networks.yaml."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Look at the networks that virtual machines may be on
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns the networks of C(_config/networks.yaml), or the default ones where there is no file, and the
    instances that name them.
extends_documentation_fragment:
  - callao.lima.attributes.info
options:
  name:
    description:
      - The network to look at. One that does not exist is left out.
      - All of them when not given.
    type: str
seealso:
  - module: callao.lima.network
"""

EXAMPLES = r"""
- name: Look at all networks
  callao.lima.network_info:
  register: found

- name: Look at one
  callao.lima.network_info:
    name: lab

- name: Say which nobody uses
  ansible.builtin.debug:
    msg: "{{ found.networks | selectattr('instances', '==', []) | map(attribute='name') }}"
"""

RETURN = r"""
networks:
  description: One entry for each.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: lab
    mode:
      description: Its mode.
      type: str
      returned: always
      sample: user-v2
    gateway:
      description: The address that gives the subnet.
      type: str
      returned: unless the mode is bridged
      sample: 192.168.42.1
    netmask:
      description: The subnet's mask.
      type: str
      returned: unless the mode is bridged
      sample: 255.255.255.0
    dhcp_end:
      description: The last address for guests.
      type: str
      returned: when the mode is host or shared
      sample: 192.168.42.254
    interface:
      description: The host's interface.
      type: str
      returned: when the mode is bridged
      sample: en0
    subnet:
      description: The subnet; empty in mode bridged.
      type: str
      returned: always
      sample: 192.168.42.0/24
    instances:
      description: The instances that name it.
      type: list
      elements: str
      returned: always
      sample: [web]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def read_networks(module):
    def work(_reporter, home, _host):
        from callao.networks.ensure import networks_of

        found = networks_of(home, module.params["name"])
        return {"changed": False, "networks": [snake_case_keys(each) for each in found]}

    return work


def main():
    module = AnsibleModule(
        argument_spec={**HOME, "name": {"type": "str"}},
        supports_check_mode=True,
    )
    run(module, read_networks(module))


if __name__ == "__main__":
    main()
