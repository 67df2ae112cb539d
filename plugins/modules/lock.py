#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down what templates stand for, or see that they still do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Lock what templates of virtual machines stand for
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Writes down what templates stand for today in a lock file, with the digests of their texts and images,
    and the day whose packages the guests get. The same as C(callao lock).
  - What is locked stays locked. A template that has changed since then is an error that says what did.
  - The file is what O(callao.lima.instance#module:lock) and O(callao.lima.image#module:lock) take.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.offline
  - callao.lima.stages
attributes:
  check_mode:
    details:
      - Templates that are locked are looked at. Of those that would be locked only the names are told, for
        their images would have to be fetched.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - What O(update) names is locked anew each time, and changes with the day.
options:
  path:
    description: The lock file, on the machine that the module runs on. It is made where there is none.
    type: path
    required: true
  templates:
    description:
      - Templates to lock. Names of built-in templates, absolute paths, or addresses.
      - Without any, the module looks at all that the file has locked.
    type: list
    elements: str
    default: []
  update:
    description: Templates to lock anew, named as in O(templates) or as the file does.
    type: list
    elements: str
    default: []
seealso:
  - module: callao.lima.image
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Lock two templates beside the playbook
  callao.lima.lock:
    path: "{{ playbook_dir }}/callao.lock"
    templates:
      - debian-12
      - "{{ playbook_dir }}/box.yaml"
  delegate_to: localhost

- name: Lock the templates of all devboxes
  callao.lima.lock:
    path: "{{ playbook_dir }}/callao.lock"
    templates: "{{ groups['devboxes'] | map('extract', hostvars, 'lima_template') | unique }}"
  delegate_to: localhost
  run_once: true

- name: See that what is locked is as it was
  callao.lima.lock:
    path: "{{ playbook_dir }}/callao.lock"
  delegate_to: localhost
  check_mode: true

- name: Lock one anew
  callao.lima.lock:
    path: "{{ playbook_dir }}/callao.lock"
    update: [debian-12]
    offline: false
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The lock file.
  returned: success
  type: str
  sample: /home/ana/shop/callao.lock
templates:
  description: What is locked, by the template's name in the file.
  returned: success, outside check mode
  type: dict
  contains:
    box:
      description: One of them, under its own name.
      type: dict
      returned: where it is locked
      contains:
        digest:
          description: Of the template's text.
          type: str
          returned: always
          sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        packages:
          description: The archive of the day whose packages the guest gets.
          type: str
          returned: where the distribution keeps the past of its archive
          sample: https://snapshot.debian.org/archive/debian/20260131T000000Z
        images:
          description: For each architecture, the image.
          type: dict
          returned: always
          contains:
            x86_64:
              description: The image for this architecture.
              type: dict
              returned: where the template has one
              contains:
                location:
                  description: Where it comes from.
                  type: str
                  returned: always
                  sample: https://cloud.debian.org/images/cloud/bookworm/debian-12-genericcloud-amd64.qcow2
                digest:
                  description: What it was verified against.
                  type: str
                  returned: always
                  sample: sha512:0a1b
                size:
                  description: Bytes.
                  type: int
                  returned: always
                  sample: 338624512
error:
  description: The kind of the error.
  returned: failure
  type: str
  sample: LockError
hint:
  description: What to do about it, where that is known.
  returned: failure
  type: str
  sample: Look at it; if it is right, run 'callao lock --update debian-12'.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, network_access, run


def ensure_locked(module):
    def work(reporter, home, _host):
        from pathlib import Path

        from msgspec import to_builtins

        from callao.lockfile import ensure_lock

        params = module.params
        outcome = ensure_lock(
            Path(params["path"]),
            params["templates"],
            params["update"],
            home=home,
            access=network_access(params["offline"]),
            check=module.check_mode,
            report=reporter,
        )
        header = {"before_header": params["path"], "after_header": params["path"]}
        result = {
            "changed": outcome.changed,
            "path": params["path"],
            "diff": {"before": outcome.before, "after": outcome.after, **header},
        }
        if outcome.lock is not None:
            result["templates"] = to_builtins(outcome.lock.templates)
        return result

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "path": {"type": "path", "required": True},
            "templates": {"type": "list", "elements": "str", "default": []},
            "update": {"type": "list", "elements": "str", "default": []},
            "offline": {"type": "bool"},
            "events_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run(module, ensure_locked(module))


if __name__ == "__main__":
    main()
