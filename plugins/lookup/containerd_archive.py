# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells which archive containerd is installed from, so that a role needs no list of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
name: containerd_archive
short_description: Find nerdctl's archive with containerd
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Returns the URL and the digest of the archive "full" that nerdctl's project publishes, with containerd,
    runc, BuildKit, RootlessKit and the CNI plugins. Without O(release) it is the one that
    C(containerd.user) in a lima.yaml installs.
  - Downloads nothing.
requirements:
  - The Python package callao on the controller.
options:
  _terms:
    description: The architectures, as C(x86_64) or C(aarch64).
    type: list
    elements: str
    required: true
  release:
    description: A release of nerdctl, such as V(2.3.4). Its digest is not known.
    type: str
"""

EXAMPLES = r"""
- name: Say what the box gets
  ansible.builtin.debug:
    msg: "{{ lookup('callao.lima.containerd_archive', ansible_facts['architecture']).location }}"
"""

RETURN = r"""
_raw:
  description:
    - For each architecture a dictionary with C(location), and with C(digest), which is empty where
      O(release) is not the one that C(containerd.user) installs.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **options):
        self.set_options(var_options=variables, direct=options)
        return [_archive(term, self.get_option("release")) for term in terms]


def _archive(arch, release):
    try:
        from callao.config.containerd import DEFAULT_ARCHIVES, RELEASE, release_archive
        from callao.config.schema import Arch
    except ImportError as error:
        raise AnsibleLookupError(
            "callao.lima.containerd_archive: the Python package callao is not installed on the controller "
            f"({error})."
        ) from error
    found = release_archive(Arch(arch), release or RELEASE) if arch in list(Arch) else None
    if found is None:
        known = ", ".join(each.arch for each in DEFAULT_ARCHIVES)
        raise AnsibleLookupError(
            "callao.lima.containerd_archive: nerdctl's project publishes no archive "
            f"for {arch}, but for {known}."
        )
    return {"location": found.location, "digest": found.digest or ""}
