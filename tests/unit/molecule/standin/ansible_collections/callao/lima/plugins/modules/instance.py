#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the module: takes the real one's options, writes them down, and starts nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

TYPES = {
    "arch": "str", "config": "dict", "cpus": "int", "disk": "str", "labels": "dict", "memory": "str",
    "mounts": "list", "name": "str", "offline": "bool", "port_forwards": "list", "provision": "list",
    "template": "str", "timeout": "float", "vm_type": "str", "warm": "bool",
}  # fmt: skip


def main() -> None:
    module = AnsibleModule(argument_spec={name: {"type": kind} for name, kind in TYPES.items()})
    name = module.params["name"]
    folder = Path(os.environ["LIMA_HOME"]) / name
    folder.mkdir(parents=True)
    given = {key: value for key, value in module.params.items() if value is not None}
    (folder / "given.json").write_text(json.dumps(given))
    if module.params["timeout"] == 1:
        module.fail_json(msg="it did not start in time")
    ssh = {
        "address": "127.0.0.1",
        "port": 60022,
        "user": "ana",
        "identity_file": str(folder.parent / "_config" / "user"),
        "host_key_alias": f"lima-{name}",
        "config_file": str(folder / "ssh.config"),
    }
    module.exit_json(changed=False, instance={"name": name, "dir": str(folder), "ssh": ssh})


if __name__ == "__main__":
    main()
