#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forward a port of a running instance, or no longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_forward
short_description: Forward ports of a running virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Adds a rule to a running instance, before all rules that it has, or takes it away.
  - A rule forwards what listens in the guest. Nothing is forwarded while nothing listens there, and
    what appears later is forwarded then.
  - What an instance forwards without any rule is what listens on its loopback or on all of its
    addresses, on ports from 1024 up.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.of_instance
attributes:
  diff_mode:
    support: none
options:
  guest_port:
    description: The guest's port. One of O(guest_port), O(guest_port_range) and O(guest_socket) is needed.
    type: int
  guest_port_range:
    description: The guest's first and last port.
    type: list
    elements: int
  guest_socket:
    description: The absolute path of a unix socket in the guest.
    type: str
  guest_ip:
    description:
      - The guest's address that the port is open on. V(127.0.0.1) stands for what is open on all
        addresses, too; V(0.0.0.0) for any address. V(127.0.0.1) when not given.
    type: str
  host_port:
    description: The host's port. The guest's when not given.
    type: int
  host_port_range:
    description: The host's first and last port. The guest's when not given.
    type: list
    elements: int
  host_socket:
    description:
      - The path of a unix socket of the host, for O(guest_socket) or O(guest_port). A relative path is below
        the folder C(sock) of the instance's.
    type: str
  host_ip:
    description: The host's address. V(127.0.0.1) when not given.
    type: str
  proto:
    description: The protocol. V(any) when not given.
    type: str
    choices: [tcp, udp, any]
  ignore:
    description: Whether the rule keeps what it fits from being forwarded. V(false) when not given.
    type: bool
  persist:
    description:
      - Whether the rule stands in lima.yaml, so that later starts have it as well.
      - Works on a stopped instance, too.
    type: bool
    default: false
  state:
    description:
      - Whether the rule shall be there.
      - V(absent) removes the rule that the other options describe. O(guest_port) alone is enough where one
        rule has it; where several have, the error lists them.
      - An instance that does not exist forwards nothing, so that V(absent) is met.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: callao.lima.port_forward_info
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Have the guest's port 80 on the host's 8080
  callao.lima.port_forward:
    instance: web
    guest_port: 80
    host_port: 8080

- name: Have a range of UDP ports on all addresses of the host, now and after each start
  callao.lima.port_forward:
    instance: web
    guest_ip: 0.0.0.0
    guest_port_range: [5000, 5010]
    host_ip: 0.0.0.0
    host_port_range: [15000, 15010]
    proto: udp
    persist: true

- name: Keep the guest's database to itself
  callao.lima.port_forward:
    instance: web
    guest_port: 5432
    ignore: true

- name: Have the guest's Docker at C(sock/docker.sock) in the instance's folder, now and after each start
  callao.lima.port_forward:
    instance: web
    guest_socket: /run/docker.sock
    host_socket: docker.sock
    persist: true

- name: Forward it no longer
  callao.lima.port_forward:
    instance: web
    guest_port: 80
    state: absent
"""

RETURN = r"""
host_socket:
  description: The absolute path of the host's socket.
  returned: with O(host_socket)
  type: str
  sample: /home/ana/.lima/web/sock/docker.sock
forwards:
  description: What is forwarded now.
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
  description: What the rules want and cannot be, such as a port of the host that somebody else has.
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

FIELDS = {
    "guest_port": "guestPort",
    "guest_port_range": "guestPortRange",
    "guest_socket": "guestSocket",
    "guest_ip": "guestIP",
    "host_port": "hostPort",
    "host_port_range": "hostPortRange",
    "host_socket": "hostSocket",
    "host_ip": "hostIP",
    "proto": "proto",
    "ignore": "ignore",
}


def ensure(module):
    def work(_reporter, home, host):
        from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward

        params = module.params
        request = ForwardRequest(
            instance=params["instance"],
            rule={FIELDS[key]: params[key] for key in FIELDS if params[key] is not None},
            state=params["state"],
            persist=params["persist"],
        )
        outcome = ensure_forward(request, home=home, host=host, check=module.check_mode)
        return {
            "changed": outcome.changed,
            "forwards": [snake_case_keys(each) for each in outcome.forwards],
            "failed": [snake_case_keys(each) for each in outcome.failed],
            **({"host_socket": outcome.host_socket} if outcome.host_socket else {}),
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "instance": {"type": "str", "required": True},
            "guest_port": {"type": "int"},
            "guest_port_range": {"type": "list", "elements": "int"},
            "guest_socket": {"type": "str"},
            "guest_ip": {"type": "str"},
            "host_port": {"type": "int"},
            "host_port_range": {"type": "list", "elements": "int"},
            "host_socket": {"type": "str"},
            "host_ip": {"type": "str"},
            "proto": {"type": "str", "choices": ["tcp", "udp", "any"]},
            "ignore": {"type": "bool"},
            "persist": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[["guest_port", "guest_port_range", "guest_socket"]],
        mutually_exclusive=[
            ["guest_port", "guest_port_range", "guest_socket"],
            ["host_port", "host_port_range", "host_socket"],
        ],
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
