# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's finder of collections, for tests that import plugins.

It has to be there before anything of a collection is imported: what Python's own finder has imported lacks
the collection's metadata, and Ansible finds none of its plugins in this process any more.
"""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig


def install_collection_finder() -> None:
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(Path(__file__).parents[2] / ".dev")])
