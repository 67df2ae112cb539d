# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Resolves paths relative to the playbook on the command line, whichever playbook runs a role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: beside_playbook
short_description: Find a file beside the user's own playbook
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Makes a relative path absolute, below the folder of the playbook that C(ansible-playbook) was given. In
    an imported playbook, C(playbook_dir) is another folder.
  - Names of templates, addresses, and absolute paths stay as they are.
options:
  _input:
    description: A path, such as V(./box.yaml), or a template's name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Have a box of the file box.yaml beside the playbook
  callao.lima.instance:
    name: web
    template: "{{ './box.yaml' | callao.lima.beside_playbook }}"
"""

RETURN = r"""
_value:
  description: The absolute path, or the input.
  type: str
"""

import re
from pathlib import Path

from ansible import context

_FILE = re.compile(r"\.\.?/|(?!~)[^:]*\.ya?ml\Z")
"""Matches a file, and no name or address of a template: ``./x``, ``x.yaml``, ``boxes/x.yaml``."""

_PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
"""Where ``playbook_dir`` is in an imported playbook of this collection."""


def beside_playbook(path):
    """*path* below the folder of the user's playbook, where it is relative; else as it is.

    In an imported playbook, ``playbook_dir`` in the user's variables is the folder of that playbook, but the
    user means that of their own.
    """
    text = str(path)
    if Path(text).is_relative_to(_PLAYBOOKS):
        return str(_folder() / Path(text).relative_to(_PLAYBOOKS))
    return str(_folder() / text) if _FILE.match(text) and not Path(text).is_absolute() else text


def _folder():
    """The folder of the first playbook on the command line; the working directory without one."""
    for argument in context.CLIARGS.get("args") or ():
        playbook = Path(argument)
        if playbook.is_file():
            return playbook.resolve().parent
    return Path.cwd()


class FilterModule:
    def filters(self):
        return {"beside_playbook": beside_playbook}
