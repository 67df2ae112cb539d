#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make, change, start, stop and remove one instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance
short_description: Manage Linux virtual machines described by lima.yaml
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Makes one virtual machine what its description says, as L(Lima,https://lima-vm.io) understands
    it, and no more than that needs.
  - A running instance takes what can change live at once; what needs a restart obeys O(restart);
    what can never change is an error that says so.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.new_instance
  - callao.lima.lima_yaml
  - callao.lima.beside_lima_yaml
  - callao.lima.restarts
  - callao.lima.offline
  - callao.lima.stages
attributes:
  idempotent:
    support: partial
    details:
      - With O(state=restarted), the instance is restarted each time.
      - With O(recreate=true), it is removed and made anew each time.
  diff_mode:
    support: full
    details:
      - Shows the effective configuration, with every default filled in, and the status.
      - Values of C(env) and C(param) whose name says that they are secret are masked. So is the content of
        files of C(provision) that only their owner may read.
options:
  name:
    description:
      - The instance's name. Letters and digits, with single dots, dashes and underscores between
        them.
    type: str
    required: true
  state:
    description:
      - V(present) makes the instance or changes it, and leaves it running or stopped as it is; a
        new one is not started.
      - V(started) also waits until it is ready, with every provision script and probe passed.
      - V(stopped) also shuts down one that exists; where there is none, nothing is made.
      - V(restarted) also shuts it down and starts it anew, each time.
      - V(absent) stops it and removes its folder.
    type: str
    choices: [present, started, stopped, restarted, absent]
    default: started
  timeout:
    description: How long a start or a stop may take, in seconds.
    type: float
    default: 600
seealso:
  - module: callao.lima.instance_info
  - module: callao.lima.image
  - name: lima.yaml
    description: Every key that O(config) may have.
    link: https://github.com/lima-vm/lima/blob/master/templates/default.yaml
"""

EXAMPLES = r"""
- name: Have a box
  callao.lima.instance:
    name: web
    template: debian-12
    cpus: 2
    memory: 2GiB

- name: Have a box that serves its port 80 as 8080
  callao.lima.instance:
    name: web
    template: debian-12
    port_forwards:
      - guest_port: 80
        host_port: 8080
    provision:
      - mode: system
        script: |
          #!/bin/sh
          install -d /srv/www
    labels:
      project: shop
    config:
      timezone: America/Lima

- name: Have a box with two shared directories, another network, and a user of one's own
  callao.lima.instance:
    name: web
    hostname: shop
    state: present
    template: debian-12
    disk: 20GiB
    mounts:
      - location: ~/shop
        mount_point: /srv/shop
        writable: true
      - location: /usr/share/dict
    networks:
      - lima: shared
    user:
      name: shop
    ssh:
      local_port: 60022
    restart: never

- name: Have a box with a disk that outlives it
  callao.lima.instance:
    name: db
    template: debian-12
    disks:
      - name: data
        size: 20GiB
        fs_type: xfs

- name: Have a box of another architecture, without anything that needs help from inside the guest
  callao.lima.instance:
    name: arm
    template: debian-12
    arch: aarch64
    vm_type: qemu
    plain: true
    timeout: 1800

- name: Have a box that goes on from the memory of one like it, in place of booting
  callao.lima.instance:
    name: test
    template: debian-12
    warm: true

- name: Have a box that begins as the snapshot of another
  callao.lima.instance:
    name: web-2
    from: web@pristine

- name: Have it anew, from the beginning
  callao.lima.instance:
    name: web
    template: debian-12
    recreate: true

- name: Restart it
  callao.lima.instance:
    name: web
    state: restarted

- name: Have it in a Lima home of the project's own
  callao.lima.instance:
    name: web
    template: debian-12
    lima_home: "{{ playbook_dir }}/.lima"

- name: Have a box of nothing but what the team has locked, without a network
  callao.lima.instance:
    name: web
    template: debian-12
    lock: "{{ playbook_dir }}/callao.lock"
    offline: true

- name: Have a copy of a stopped box
  callao.lima.instance:
    name: web2
    from: web

- name: Call it by another name, and keep it from being deleted
  callao.lima.instance:
    name: shop
    renamed_from: web2
    protected: true

- name: Start it whenever its user logs in
  callao.lima.instance:
    name: shop
    autostart: true

- name: Delete it although it is protected
  callao.lima.instance:
    name: shop
    state: absent
    protected: false

- name: Shut it down, whatever it does
  callao.lima.instance:
    name: web
    state: stopped
    force: true

- name: Have it no more
  callao.lima.instance:
    name: web
    state: absent

- name: Have a machine that reaches one server and nothing else
  callao.lima.instance:
    name: agent
    template: debian-12
    egress:
      allow: ["api.example.org:443"]

- name: Have a machine with two secrets in its memory
  callao.lima.instance:
    name: agent
    template: debian-12
    secrets:
      - name: deploy_key
        file: ~/.ssh/deploy
      - name: API_TOKEN
        value: "{{ vault_api_token }}"

- name: Have a machine that uses a token which it never has
  callao.lima.instance:
    name: agent
    template: debian-12
    egress:
      allow: [api.github.com]
    secrets:
      - name: GITHUB_TOKEN
        env: GITHUB_TOKEN
        inject: true
        hosts: [api.github.com]
"""

RETURN = r"""
instance:
  description: The instance as it is now. Not returned when there is none.
  returned: success, unless there is no instance
  type: dict
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
actions:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: [create, start]
error:
  description: The kind of the error.
  returned: failure
  type: str
  sample: StageFailed
hint:
  description: What to do about it, where that is known.
  returned: failure
  type: str
  sample: Raise the option timeout.
stage:
  description: The stage of a start that failed.
  returned: failure of a start
  type: str
  sample: cloud-init
evidence:
  description: The last lines of the log that explains it.
  returned: failure of a start
  type: str
  sample: "provision.system/00000000: exited with 1"
problems:
  description: Each thing that is wrong with the configuration.
  returned: failure of the configuration
  type: list
  elements: dict
  contains:
    path:
      description: The place in the configuration.
      type: str
      returned: always
      sample: cpus
    value:
      description: What stands there.
      type: str
      returned: always
      sample: "0"
    message:
      description: What is wrong with it.
      type: str
      returned: always
      sample: too small
    allowed:
      description: What may stand there.
      type: str
      returned: always
      sample: 1 or more
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run
from ansible_collections.callao.lima.plugins.module_utils._instance_options import INSTANCE_OPTIONS
from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import diff_of
from ansible_collections.callao.lima.plugins.module_utils._request import request_of


def ensure_instance(module):
    def work(reporter, home, host):
        from callao.lifecycle import ensure

        request = request_of(module.params)
        outcome = ensure(request, home=home, host=host, check=module.check_mode, report=reporter)
        result = {"changed": outcome.changed, "actions": list(outcome.actions), "notices": outcome.notices}
        if outcome.instance is not None:
            result["instance"] = outcome.instance
        if module._diff:
            result["diff"] = diff_of(module.params["name"], outcome)
        return result

    return work


def main():
    module = AnsibleModule(argument_spec={**HOME, **INSTANCE_OPTIONS}, supports_check_mode=True)
    run(module, ensure_instance(module))


if __name__ == "__main__":
    main()
