#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove what nothing uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Remove cached images and orphaned virtual machines that nothing uses
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Removes images and warm machines from the cache that no instance's disk is made on. The same as
    C(callao prune).
  - With O(orphans=true), deletes instances in place of that, whose folder is gone.
extends_documentation_fragment:
  - callao.lima.attributes
  - callao.lima.stages
attributes:
  diff_mode:
    support: full
    details:
      - Shows the files, or the instances, that go.
options:
  keep_referred:
    description: Whether to keep images that an instance's lima.yaml names, too.
    type: bool
    default: false
  orphans:
    description:
      - Whether to delete the instances whose label C(callao.owner), or C(molecule_project) of the Molecule
        driver, names a folder that does not exist any more. The cache stays as it is.
      - A protected instance stays, with a warning.
    type: bool
    default: false
seealso:
  - module: callao.lima.image
  - module: callao.lima.instance
"""

EXAMPLES = r"""
- name: Free the disk of images that nothing uses
  callao.lima.prune:

- name: Free it, and keep what instances name
  callao.lima.prune:
    keep_referred: true

- name: Delete the instances of projects that are gone
  callao.lima.prune:
    orphans: true
"""

RETURN = r"""
paths:
  description: The files and folders of the cache that were removed.
  returned: success
  type: list
  elements: str
  sample: [/home/ana/.lima/_cache/download/by-url-sha256/2cf2]
size:
  description: Bytes that they took on the disk.
  returned: success
  type: int
  sample: 338624512
instances:
  description: The instances that were deleted.
  returned: success
  type: list
  elements: str
  sample: []
error:
  description: The kind of the error.
  returned: failure
  type: str
  sample: DriverError
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.callao.lima.plugins.module_utils._engine import HOME, run


def ensure_pruned(module):
    def work(reporter, home, host):
        paths, size, instances = [], 0, []
        check = module.check_mode
        if module.params["orphans"]:
            from callao.lifecycle.orphans import remove_orphans

            instances = remove_orphans(home, host, reporter, check=check)
        else:
            from callao.lifecycle.prune import prune_cache

            keep = module.params["keep_referred"]
            gone = prune_cache(home, host, keep_referenced=keep, report=reporter, check=check)
            paths, size = [str(path) for path in gone.paths], gone.size
        return {
            "changed": bool(paths or instances),
            "paths": paths,
            "size": size,
            "instances": instances,
            "diff": {"before": "".join(f"{each}\n" for each in [*paths, *instances]), "after": ""},
        }

    return work


def main():
    module = AnsibleModule(
        argument_spec={
            **HOME,
            "keep_referred": {"type": "bool", "default": False},
            "orphans": {"type": "bool", "default": False},
            "events_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if module.params["keep_referred"] and module.params["orphans"]:
        module.fail_json(msg="keep_referred: true says nothing of orphans: true (allowed: one of them).")
    run(module, ensure_pruned(module))


if __name__ == "__main__":
    main()
