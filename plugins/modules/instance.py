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
  - callao.lima.lima_yaml
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
  template:
    description:
      - Where the description begins. The name of a built-in template, such as V(debian-12), or the
        path of a lima.yaml on the machine that runs the virtual machines.
      - When not given, a new instance begins from V(default), and an existing one keeps what it was
        made from.
    type: str
  config:
    description:
      - Any content of lima.yaml, under Lima's own names, merged over O(template) as Lima merges C(base).
    type: dict
    default: {}
  cpus:
    description: Number of virtual CPUs. Short for C(cpus) in O(config).
    type: int
  memory:
    description: Memory with its unit, such as V(4GiB). Short for C(memory) in O(config).
    type: str
  disk:
    description:
      - Size of the disk, such as V(100GiB). It can grow and never shrink. Short for C(disk) in
        O(config).
    type: str
  arch:
    description:
      - Architecture of the guest; the host's by default. It never changes. Short for C(arch) in
        O(config).
    type: str
    choices: [x86_64, aarch64, armv7l, ppc64le, riscv64, s390x]
  vm_type:
    description:
      - The driver; the best for this machine by default. It never changes. Short for C(vmType) in
        O(config).
    type: str
    choices: [qemu, vz, wsl2, krunkit]
  hostname:
    description:
      - The guest's host name, C(lima-NAME) by default. Letters, digits and dashes, at most 63.
      - Callao's own key of lima.yaml, which Lima does not know. Short for C(hostname) in O(config).
    type: str
  plain:
    description:
      - Whether to leave out mounts, forwards and everything else that needs help from inside the
        guest. Short for C(plain) in O(config).
    type: bool
  warm:
    description:
      - Whether a new instance goes on from the memory of one like it, in place of booting. The first of
        its kind boots, and is kept for those to come. Where that cannot be, the instance boots, and a
        warning says why.
      - It counts where an instance is made and started by one task. An instance that exists does not
        notice it.
      - When not given, C(warm) in lima.yaml decides, and without that the instance boots.
    type: bool
  from:
    description:
      - The instance that a new one begins as, V(NAME) or V(NAME@SNAPSHOT). V(NAME) has to be stopped, and
        its disk is copied. With a snapshot that has memory, the new instance goes on from that moment in
        place of booting, as itself; where that cannot be, it boots, and a warning says why.
      - Without O(template), the other's configuration is the new one's, with O(config) over it.
      - An instance that exists does not notice it.
    type: str
  renamed_from:
    description:
      - The name that the instance had. Where an instance of that name exists, and none that is called
        O(name), it is renamed, with its disk, its labels and its snapshots, before the rest of the task.
      - One that runs is shut down for it, where O(state) and O(restart) let it be restarted.
      - Where there is no instance of that name, the option does nothing, so that it can stay in a playbook.
        Where both exist, it is an error.
    type: str
  protected:
    description:
      - Whether the instance is kept from being deleted, renamed and made anew, by whatever tool. The same as
        C(callao protect) and C(limactl protect).
      - With V(false), O(state=absent) and O(recreate=true) remove also one that is protected.
      - When not given, it stays as it is.
    type: bool
  autostart:
    description:
      - Whether the instance is started when its user logs in, by systemd's user manager on Linux and by
        launchd on macOS. The same as C(callao autostart) and C(limactl autostart).
      - On Linux, C(loginctl enable-linger) makes the boot of the machine the login, and the logout its end.
      - When not given, it stays as it is.
    type: bool
  labels:
    description:
      - Words of your own about the instance. They are kept beside its lima.yaml.
      - A number or a boolean is kept as its text; a list or a dictionary is an error.
      - When given, they replace all labels that the instance has; when not, those stay.
    type: dict
  restart:
    description:
      - What to do when a running instance needs a restart for a change to take effect.
      - V(auto) restarts it.
      - V(never) writes the change down, and warns that it takes effect at the next start.
    type: str
    choices: [auto, never]
    default: auto
  force:
    description: Whether to end the machine without asking the guest to shut down, where it has to end.
    type: bool
    default: false
  recreate:
    description: Whether to remove an existing instance, with all that is on its disk, and make it anew.
    type: bool
    default: false
  timeout:
    description: How long a start or a stop may take, in seconds.
    type: float
    default: 600
  lock:
    description:
      - A lock file that C(callao lock) has written, on the machine that runs the virtual machines.
      - The template has to be in it, unchanged; the image that it names is the only one taken, and the
        guest's packages are of the day that it names. All else is an error that says what changed.
    type: path
  offline:
    description:
      - Whether to do with what is in the cache, and never ask the network. What is missing is an error.
      - When not given, the environment variable C(CALLAO_OFFLINE) of the machine that runs the virtual
        machines decides, and without that the network is used.
    type: bool
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
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, access_of, run
from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import OPTIONS, written

SHORTCUTS = {
    "cpus": "cpus",
    "memory": "memory",
    "disk": "disk",
    "arch": "arch",
    "vm_type": "vmType",
    "mounts": "mounts",
    "port_forwards": "portForwards",
    "networks": "networks",
    "provision": "provision",
    "user": "user",
    "ssh": "ssh",
    "plain": "plain",
    "hostname": "hostname",
}
"""Options that stand for one key of lima.yaml."""


def desired(params):
    """The options as one partial lima.yaml; an option goes before the same key in ``config``."""
    given = {option: params[option] for option in SHORTCUTS if params[option] is not None}
    shortcuts = {
        SHORTCUTS[option]: written(option, value) if option in OPTIONS else value
        for option, value in given.items()
    }
    if not shortcuts or not params["config"]:
        return shortcuts or params["config"]
    from callao.config import merge

    return merge([shortcuts, params["config"]])


def outcome_of(module):
    def work(reporter, home, host):
        from pathlib import Path

        from callao.lifecycle import Request, ensure

        params = module.params
        request = Request(
            name=params["name"],
            state=params["state"],
            template=params["template"],
            config=desired(params),
            labels=params["labels"],
            force=params["force"],
            recreate=params["recreate"],
            restart=params["restart"],
            timeout=params["timeout"],
            warm=params["warm"],
            origin=params["from"] or "",
            renamed_from=params["renamed_from"] or "",
            protected=params["protected"],
            autostart=params["autostart"],
            lock=Path(params["lock"]) if params["lock"] else None,
            access=access_of(params["offline"]),
        )
        outcome = ensure(request, home=home, host=host, check=module.check_mode, report=reporter)
        result = {"changed": outcome.changed, "actions": list(outcome.actions), "notices": outcome.notices}
        if outcome.instance is not None:
            result["instance"] = outcome.instance
        if module._diff:
            result["diff"] = difference(params["name"], outcome)
        return result

    return work


def difference(name, outcome):
    """As lima.yaml reads, so that a script differs line by line; nothing where there is no instance."""
    from callao.config import dump
    from callao.config.secrets import masked

    before, after = (dump(masked(side)) if side else "" for side in (outcome.before, outcome.after))
    return {"before": before, "after": after, "before_header": name, "after_header": name}


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "name": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "started", "stopped", "restarted", "absent"],
                "default": "started",
            },
            "template": {"type": "str"},
            "config": {"type": "dict", "default": {}},
            "cpus": {"type": "int"},
            "memory": {"type": "str"},
            "disk": {"type": "str"},
            "arch": {
                "type": "str",
                "choices": ["x86_64", "aarch64", "armv7l", "ppc64le", "riscv64", "s390x"],
            },
            "vm_type": {"type": "str", "choices": ["qemu", "vz", "wsl2", "krunkit"]},
            **OPTIONS,
            "hostname": {"type": "str"},
            "plain": {"type": "bool"},
            "warm": {"type": "bool"},
            "from": {"type": "str"},
            "renamed_from": {"type": "str"},
            "protected": {"type": "bool"},
            "autostart": {"type": "bool"},
            "labels": {"type": "dict"},
            "restart": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
            "force": {"type": "bool", "default": False},
            "recreate": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 600},
            "lock": {"type": "path"},
            "offline": {"type": "bool"},
            "events_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run(module, outcome_of(module))


if __name__ == "__main__":
    main()
