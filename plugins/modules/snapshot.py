#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take, restore or delete a snapshot of an instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take, restore and delete snapshots of a virtual machine
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Takes a snapshot of an instance. Of one that runs, disk and memory are kept; of one that is stopped,
    the disk.
  - A return to a snapshot with memory takes no boot. The machine runs afterwards as it ran then, with the
    time of now, and what happened since is gone.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.stages
  - callao.lima.of_instance
attributes:
  check_mode:
    details:
      - Whether the machine can be saved, or is still the one that was saved, is only known when it is tried.
  diff_mode:
    support: full
    details:
      - Shows the snapshot before and after; with O(state=applied), the status of the instance.
  idempotent:
    support: partial
    details:
      - With O(state=applied), the instance returns to the snapshot each time.
options:
  name:
    description:
      - The snapshot's name. 1 to 64 letters, digits, dots, dashes and underscores, first and last a letter
        or a digit.
    type: str
    required: true
  state:
    description:
      - V(present) takes it where there is none of that name. One that is there stays as it is.
      - V(applied) returns the instance to it, each time. One with memory needs the machine as it was, with
        the same C(cpus), C(memory) and devices, and the same version of QEMU; one of the disk alone needs
        the instance stopped.
      - V(absent) forgets it. The instance and other snapshots stay.
    type: str
    choices: [present, applied, absent]
    default: present
  timeout:
    description: How long another run, or the return of the machine, may take, in seconds.
    type: float
    default: 600
seealso:
  - module: callao.lima.snapshot_info
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Keep the box as it is now
  callao.lima.snapshot:
    instance: web
    name: pristine

- name: Restore the snapshot
  callao.lima.snapshot:
    instance: web
    name: pristine
    state: applied
    timeout: 60

- name: Forget it
  callao.lima.snapshot:
    instance: web
    name: pristine
    state: absent
"""

RETURN = r"""
snapshot:
  description: The snapshot; null when there is none any more.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: pristine
    created:
      description: When it was taken, in UTC.
      type: str
      returned: unless it would be taken, in check mode
      sample: "2026-01-31T12:00:00Z"
    age:
      description: Seconds since then.
      type: int
      returned: unless it would be taken, in check mode
      sample: 3600
    memory:
      description: Whether the memory is in it, too, so that a return to it takes no boot.
      type: bool
      returned: always
      sample: true
    size:
      description: Bytes that it takes on the disk.
      type: int
      returned: unless it would be taken, in check mode
      sample: 322961408
instance:
  description: The instance as it is now, as RV(callao.lima.instance#module:instance) has it.
  returned: success
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def ensure(module):
    def work(reporter, home, host):
        from callao.lifecycle.snapshots.ensure import SnapshotRequest, ensure_snapshot

        options = {key: value for key, value in module.params.items() if key not in (*HOME, "events_file")}
        outcome = ensure_snapshot(
            SnapshotRequest(**options), home=home, host=host, check=module.check_mode, report=reporter
        )
        return {
            "changed": outcome.changed,
            "snapshot": outcome.snapshot,
            "instance": outcome.instance,
            "diff": {"before": outcome.before or {}, "after": outcome.after or {}},
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "instance": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "applied", "absent"], "default": "present"},
            "timeout": {"type": "float", "default": 600},
            "events_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
