#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create, change and delete one network of networks.yaml."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network
short_description: Manage the networks that virtual machines may be on
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Makes an entry of C(_config/networks.yaml) what the task says, and keeps the file's comments. Where there
    is no file, one with the documented defaults is written first.
  - Instances name a network in C(networks), as C(lima).
extends_documentation_fragment:
  - callao.lima.attributes
attributes:
  diff_mode:
    support: full
    details:
      - Shows the network before and after.
options:
  name:
    description:
      - The network's name. Letters and digits, with single dots, dashes and underscores between them.
    type: str
    required: true
  mode:
    description:
      - Who carries the network. V(user-v2) when not given for a new one.
      - In V(user-v2), guests reach each other and what the host reaches, without privileges.
      - In V(host), they reach each other and the host; in V(shared), also what the host reaches; in
        V(bridged), they are in the network of O(interface).
    type: str
    choices: [user-v2, host, shared, bridged]
  gateway:
    description:
      - The address that gives the subnet, with a prefix as in V(192.168.42.1/24), or without, and then with
        O(netmask). Needed for a new network, but not in mode V(bridged).
    type: str
  netmask:
    description:
      - The subnet's mask. V(255.255.255.0) when neither it nor a prefix is given for a new network.
    type: str
  dhcp_end:
    description:
      - The last address for guests in the modes V(host) and V(shared). The gateway's, with 254 as its last
        number, when not given for a new subnet.
    type: str
  interface:
    description: The host's interface in mode V(bridged), and needed there.
    type: str
  state:
    description: Whether the network is in the file.
    type: str
    choices: [present, absent]
    default: present
  force:
    description: Whether to delete a network that instances name.
    type: bool
    default: false
notes:
  - Subnets do not overlap. One that overlaps an interface of the host is a warning.
seealso:
  - module: callao.lima.network_info
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Have a network of our own
  callao.lima.network:
    name: lab
    gateway: 192.168.42.1/24

- name: Have a box on it
  callao.lima.instance:
    name: web
    template: debian-12
    config:
      networks:
        - lima: lab

- name: Have one in the network of an interface
  callao.lima.network:
    name: office
    mode: bridged
    interface: en0

- name: Have one whose addresses the host reaches
  callao.lima.network:
    name: stage
    mode: host
    gateway: 192.168.43.1
    netmask: 255.255.255.0
    dhcp_end: 192.168.43.99

- name: Have it no more, whoever names it
  callao.lima.network:
    name: lab
    state: absent
    force: true
"""

RETURN = r"""
network:
  description: The network as it is now, or would be; null when there is none.
  returned: success
  type: dict
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._names import snake_case_keys


def ensure(module):
    def work(_reporter, home, _host):
        from callao.networks.ensure import ensure_network
        from callao.networks.request import NetworkRequest

        params = {key: value for key, value in module.params.items() if key not in HOME}
        outcome = ensure_network(NetworkRequest(**params), home=home, check=module.check_mode)
        before, after = snake_case_keys(outcome.before), snake_case_keys(outcome.after)
        return {
            "changed": outcome.changed,
            "network": after,
            "diff": {"before": before or {}, "after": after or {}},
            "notices": outcome.notices,
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "name": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["user-v2", "host", "shared", "bridged"]},
            "gateway": {"type": "str"},
            "netmask": {"type": "str"},
            "dhcp_end": {"type": "str"},
            "interface": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
