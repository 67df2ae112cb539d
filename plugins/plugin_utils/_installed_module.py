# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module from where it is installed, on the controller. Private to the collection.

Ansible packs a module with everything that it imports into a zip file, and Python on the target unpacks
and compiles that in each task. On the controller, with the controller's own Python, the installed files and
their bytecode can be used directly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ansible
from ansible.module_utils.common.json import Direction, get_module_encoder

try:
    from ansible.executor.module_common import _BuiltModule
except ImportError:  # an Ansible with other internals: it packs our modules like all others
    _BuiltModule = None

PROFILE = "legacy"
"""The default serialization profile of JSON between Ansible and a module."""

SCRIPT = """\
import os
import runpy
import sys
import types

# A module beside this script, or in the working directory, must not stand in for the standard library's.
beside = os.path.dirname(os.path.realpath(__file__)) if "__file__" in globals() else ""
sys.path[:] = [path for path in sys.path if path not in ("", ".", beside)]
sys.path.append({ansible!r})
collections = types.ModuleType("ansible_collections")
collections.__path__ = [{collections!r}]
sys.modules["ansible_collections"] = collections

from ansible.module_utils import basic

basic._ANSIBLE_ARGS = {arguments!r}
basic._ANSIBLE_PROFILE = {profile!r}
runpy.run_module({name!r}, run_name="__main__", alter_sys=True)
"""


def build_module(path: str, arguments: dict[str, Any], python: str) -> Any:
    """The same kind of object as Ansible's ``modify_module`` returns, for our module at *path*; None where
    this Ansible has other internals."""
    if _BuiltModule is None:
        return None
    module = Path(path)
    namespace = module.parents[4]  # ansible_collections/callao/lima/plugins/modules/NAME.py
    encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
    script = SCRIPT.format(
        ansible=str(Path(ansible.__file__).parents[1]),
        collections=str(namespace),
        arguments=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=encoder).encode(),
        profile=PROFILE,
        name=f"ansible_collections.callao.lima.plugins.modules.{module.stem}",
    )
    return _BuiltModule(
        b_module_data=f"#!{python}\n{script}".encode(),
        module_style="new",
        shebang=f"#!{python}",
        serialization_profile=PROFILE,
    )
