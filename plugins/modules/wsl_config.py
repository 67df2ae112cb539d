#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Set when WSL stops what nobody uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wsl_config
short_description: Set idle time-outs in .wslconfig of a user of Windows
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Edits C(%UserProfile%\.wslconfig) of the user of Windows whose distributions the instances are. All else
    of the file stays as it is, and its former content is kept in a file beside it.
  - WSL reads the file when its virtual machine starts, so a change has an effect after
    C(wsl.exe --shutdown), which ends all distributions of that user. This module runs it only with
    O(shutdown=true).
  - The file is read and written through a distribution, so an instance of C(vmType) V(wsl2) has to have been
    started there.
extends_documentation_fragment:
  - callao.lima.attributes
attributes:
  diff_mode:
    support: full
    details:
      - Shows the file before and after.
options:
  vm_idle_timeout:
    description:
      - Milliseconds after which WSL stops its virtual machine when no distribution runs; V(-1) for never.
      - Is C(vmIdleTimeout) of the section C(wsl2), which is left alone when not given.
    type: int
  instance_idle_timeout:
    description:
      - Milliseconds after which WSL stops a distribution that no program of Windows uses; V(-1) for never.
      - Is C(instanceIdleTimeout) of the section C(general), which is left alone when not given.
    type: int
  shutdown:
    description:
      - Whether to run C(wsl.exe --shutdown) after a change. It ends all distributions of the user,
        those that are no instances too.
      - Not for a controller inside WSL, which would be ended as well.
    type: bool
    default: false
seealso:
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Keep distributions running that nobody uses
  callao.lima.wsl_config:
    vm_idle_timeout: -1
    instance_idle_timeout: -1
  register: wsl

- name: Say what is left to do
  ansible.builtin.debug:
    msg: Run wsl.exe --shutdown when nothing is at work.
  when: wsl.needs_shutdown

- name: Have a shorter time-out on another host, at once
  callao.lima.wsl_config:
    vm_idle_timeout: 10000
    shutdown: true
  delegate_to: desk
"""

RETURN = r"""
path:
  description: The file, as a distribution sees it.
  returned: success
  type: str
  sample: /mnt/c/Users/ana/.wslconfig
backup_file:
  description: The file with the former content; empty when nothing was changed, or when there was no file.
  returned: success
  type: str
  sample: /mnt/c/Users/ana/.wslconfig.20260829T120000Z.bak
needs_shutdown:
  description: Whether a change was made that has no effect before C(wsl.exe --shutdown).
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run

OPTIONS = ("vm_idle_timeout", "instance_idle_timeout")


def ensure(module):
    def work(_reporter, home, _host):
        from callao.drivers.wsl2.idle_timeouts import ensure_idle_timeouts

        outcome = ensure_idle_timeouts(
            home,
            vm=module.params["vm_idle_timeout"],
            instance=module.params["instance_idle_timeout"],
            shutdown=module.params["shutdown"],
            check=module.check_mode,
        )
        return {
            "changed": outcome.changed,
            "path": outcome.path,
            "backup_file": outcome.backup,
            "needs_shutdown": outcome.changed and not outcome.shut_down,
            "diff": {
                "before_header": outcome.path,
                "after_header": outcome.path,
                "before": outcome.before,
                "after": outcome.after,
            },
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "vm_idle_timeout": {"type": "int"},
            "instance_idle_timeout": {"type": "int"},
            "shutdown": {"type": "bool", "default": False},
        },
        required_one_of=[OPTIONS],
        supports_check_mode=True,
    )
    run(module, ensure(module))


if __name__ == "__main__":
    main()
