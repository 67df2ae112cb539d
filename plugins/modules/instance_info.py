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
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: web
    status:
      description: C(Running), C(Stopped), "Paused (disk full)" while the host has no space for it,
        or C(Broken) with the reasons in C(errors).
      type: str
      returned: always
      sample: Running
    ready:
      description: Whether it runs and has passed every stage.
      type: bool
      returned: always
      sample: true
    dir:
      description: Its folder.
      type: str
      returned: always
      sample: /home/ana/.lima/web
    vm_type:
      description: The driver.
      type: str
      returned: always
      sample: qemu
    arch:
      description: The guest's architecture.
      type: str
      returned: always
      sample: x86_64
    cpus:
      description: Number of virtual CPUs.
      type: int
      returned: always
      sample: 2
    memory:
      description: Memory in bytes.
      type: int
      returned: always
      sample: 2147483648
    disk:
      description: Size of the disk in bytes.
      type: int
      returned: always
      sample: 107374182400
    template:
      description: What its description began from.
      type: str
      returned: always
      sample: debian-12
    labels:
      description: Its labels, by their names.
      type: dict
      returned: always
      contains:
        project:
          description: The value of the label C(project), for example. Values are text.
          type: str
          returned: where there is such a label
          sample: shop
    protected:
      description: Whether it is protected against removal.
      type: bool
      returned: always
      sample: false
    autostart:
      description: Whether it is started when its user logs in.
      type: bool
      returned: always
      sample: false
    errors:
      description: What is wrong with it.
      type: list
      elements: str
      returned: always
      sample: []
    image:
      description: The image that its disk began from.
      type: str
      returned: always
      sample: /home/ana/.lima/_cache/download/by-url-sha256/2cf2/data
    forwards:
      description: The ports that are forwarded now.
      type: list
      elements: dict
      returned: always
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
    ssh:
      description: The way in.
      type: dict
      returned: always
      contains:
        address:
          description: The host's address that leads to the guest's sshd.
          type: str
          returned: always
          sample: 127.0.0.1
        port:
          description: Its port; null while the instance is off.
          type: int
          returned: always
          sample: 60022
        user:
          description: The guest's user.
          type: str
          returned: always
          sample: ana
        identity_file:
          description: The private key.
          type: str
          returned: always
          sample: /home/ana/.lima/_config/user
        known_hosts_file:
          description: The file that has the guest's host key.
          type: str
          returned: always
          sample: /home/ana/.lima/web/known_hosts
        host_key_alias:
          description: The name of the guest in that file.
          type: str
          returned: always
          sample: lima-web
        config_file:
          description: The file for C(ssh -F).
          type: str
          returned: always
          sample: /home/ana/.lima/web/ssh.config
    timings:
      description:
        - Seconds from the start's begin to the end of each stage, of the last start.
        - The usual stages are these, with C(cloud-init) or C(first-boot) after C(sshd).
      type: dict
      returned: always
      contains:
        image:
          description: Seconds until the image is in the cache.
          type: float
          returned: when the stage has ended
          sample: 0.1
        driver:
          description: Seconds until the hypervisor runs.
          type: float
          returned: when the stage has ended
          sample: 0.6
        sshd:
          description: Seconds until sshd lets us in.
          type: float
          returned: when the stage has ended
          sample: 27.2
        ready:
          description: Seconds until the instance can be used.
          type: float
          returned: when the stage has ended
          sample: 33.4
    config:
      description: Its effective lima.yaml, with every default filled in; null where it cannot be parsed.
      type: dict
      returned: with O(configuration=true)
      contains:
        cpus:
          description: Number of virtual CPUs. Every other key is lima.yaml's, too.
          type: int
          returned: always
          sample: 2
egress:
  description: By the name of each instance that has C(egress) in its lima.yaml, what it may reach.
  returned: success
  type: dict
  contains:
    web:
      description:
        - The rules of the instance C(web), for example, and what was refused since its start. Null where its
          host agent does not answer.
      type: dict
      returned: where there is such an instance
      contains:
        allow:
          description: The rules.
          type: list
          elements: str
          returned: always
          sample: ["github.com:22,443"]
        log:
          description: Whether what is refused is written to C(egress.log).
          type: bool
          returned: always
          sample: false
        refusedTotal:
          description: How often something was refused.
          type: int
          returned: always
          sample: 3
        refused:
          description: What was refused, the latest first; 256 different ones at most.
          type: list
          elements: dict
          returned: always
          contains:
            protocol:
              description: C(tcp), C(udp), C(dns), C(tls), C(http), C(ipv6), C(secret) or another one.
              type: str
              returned: always
              sample: dns
            address:
              description: The address that the guest tried, of IPv4 or IPv6.
              type: str
              returned: always
              sample: ""
            port:
              description: Its port; 0 where there is none.
              type: int
              returned: always
              sample: 0
            name:
              description: The name that the guest asked for.
              type: str
              returned: always
              sample: evil.example
            reason:
              description: Why it was refused.
              type: str
              returned: always
              sample: the name is not allowed
            count:
              description: How often.
              type: int
              returned: always
              sample: 2
            first:
              description: When it was refused first.
              type: str
              returned: always
              sample: "2026-01-31T12:00:00.000+00:00"
            last:
              description: When it was refused last.
              type: str
              returned: always
              sample: "2026-01-31T12:00:01.000+00:00"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def read_instances(module):
    def work(_reporter, home, host):
        from callao.errors import InstanceNotFound
        from callao.instances import inspect, instance_names, summary

        wanted = module.params["name"]
        existing = instance_names(home)
        instances, egress = [], {}
        for name in existing if wanted is None else [name for name in wanted if name in existing]:
            try:
                instance = inspect(name, home, host)
            except InstanceNotFound:  # deleted meanwhile
                continue
            found = summary(instance)
            if "egress" in instance.document:
                egress[name] = egress_report(instance)
            if module.params["configuration"]:
                found["config"] = effective_config(instance)
            instances.append(found)
        return {"changed": False, "instances": instances, "egress": egress}

    return work


def egress_report(instance):
    """None also for an instance that cannot tell: it is looked at, not used."""
    from callao.errors import CallaoError
    from callao.lifecycle.egress import egress_of

    try:
        return egress_of(instance)
    except CallaoError:
        return None


def effective_config(instance):
    """None for an instance whose lima.yaml cannot be parsed."""
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
    run(module, read_instances(module))


if __name__ == "__main__":
    main()
