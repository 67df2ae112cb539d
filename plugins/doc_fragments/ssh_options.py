# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ansible.builtin.ssh, whichever the installed ansible-core has."""

from __future__ import annotations

import re

from ansible.plugins.connection import ssh

_NOT_OURS = re.compile(r"^ *-? *version_added: .*\n", re.MULTILINE)
"""In which ansible-core an option came; here it would read as a version of this collection."""


_OPTIONS = ssh.DOCUMENTATION.partition("    options:\n")[2]


class ModuleDocFragment:
    # Not a copy: the inherited code asks for exactly the options that this very ansible-core documents.
    # Annotated: ansible-test's yamllint takes a plain assignment for a literal.
    DOCUMENTATION: str = "    options:\n" + _NOT_OURS.sub("", _OPTIONS)
