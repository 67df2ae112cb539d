# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn: files of a folder, and commands that are run there one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from surroundings import CALLAO, IMAGE

ROLE = CALLAO / "extensions/molecule/service"
BOX = f"""\
images:
  - location: {IMAGE}
cpus: 1
memory: 1GiB
disk: 10GiB
containerd: {{user: false}}
"""
CONFIGURATION = """\
[defaults]
display_skipped_hosts = false
interpreter_python = /usr/bin/python3
"""
HOSTS = """\
devboxes:
  hosts:
    web:
  vars:
    ansible_connection: callao.lima.instance
    lima_template: ./box.yaml
    lima_warm: true
"""
SITE = """\
- name: Bring up every box in the group devboxes
  import_playbook: callao.lima.site

- name: Configure them
  hosts: devboxes
  become: true
  tasks:
    - name: Say who this is
      ansible.builtin.copy:
        content: "Welcome to {{ inventory_hostname }}.\\n"
        dest: /etc/motd
        mode: "0644"
"""
MISTAKEN = """\
images:
  - location: https://example.com/debian-12.qcow2
cpus: two
memory: 4 gigs
portForwards:
  - guestPort: 80000
mounts:
  - location: "~"
    mountPoint: home
"""
FIRST = """\
- name: Have a box
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Make it and wait until it can be used
      callao.lima.instance: {name: first, template: debain-12, memory: 2GiB}
"""
MOLECULE = """\
driver: {name: molecule-callao}
dependency: {name: galaxy, enabled: false}
prerun: false
platforms:
  - name: box
    template: ./box.yaml
scenario:
  test_sequence: [create, converge, idempotence, verify, destroy]
verifier: {name: testinfra}
"""


@dataclass(frozen=True)
class Scene:
    name: str
    title: str
    commands: Sequence[str]
    """Lines of shell, which are shown."""
    folder: str = "."
    """Where they run, below the home."""
    files: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[Sequence[str]] = ()
    """What is run and not shown."""
    after: Sequence[Sequence[str]] = ()


SCENES = (
    Scene(
        name="errors",
        title="mistakes",
        folder="mistakes",
        files={"box.yaml": MISTAKEN, "first.yml": FIRST},
        commands=(
            "callao validate box.yaml",
            "callao shell wbe",
            "ansible-playbook first.yml",
        ),
    ),
    Scene(
        name="site",
        title="ansible-playbook",
        folder="site",
        files={"hosts.yml": HOSTS, "site.yml": SITE, "box.yaml": BOX, "ansible.cfg": CONFIGURATION},
        before=(
            ("ansible-playbook", "-i", "hosts.yml", "callao.lima.site"),  # which saves it
            ("callao", "delete", "--force", "web"),
        ),
        commands=("ansible-playbook -i hosts.yml site.yml",),
        after=(("callao", "delete", "--force", "web"),),
    ),
    Scene(
        name="command-line",
        title="callao",
        folder="site",
        files={"box.yaml": BOX},
        commands=(
            "callao start --name web --warm box.yaml",
            "callao list",
            "callao shell web uname -sr",
            "callao snapshot create web --tag pristine",
            "callao stop web",
        ),
        after=(("callao", "delete", "--force", "web"),),
    ),
    Scene(
        name="molecule",
        title="molecule",
        folder="heartbeat",
        files={
            "molecule/default/molecule.yml": MOLECULE,
            "molecule/default/box.yaml": BOX,
            "ansible.cfg": CONFIGURATION,
        },
        before=(("cp", "-r", f"{ROLE}/roles", f"{ROLE}/tests", f"{ROLE}/converge.yml", "molecule/default"),),
        commands=("molecule test",),
    ),
)
