# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the sudoers file that lets a group run socket_vmnet, byte for byte as limactl compares it.

For vmnet-helper, which limactl does not know, each network has the helper's command instead.
"""

from __future__ import annotations

from callao.config.network import Networks
from callao.networks.vmnet.commands import allowed_argvs, mkdir_argv, of_vmnet


def sudoers_text(networks: Networks, *, installed: bool, root_group: str) -> str:
    """One rule for the folder, and one for each network.

    :param networks: whose paths and names have been checked: nothing is quoted in sudoers(5).
    :param installed: whether the program is there; without it no network has a rule.
    :param root_group: root's primary group, ``wheel`` on macOS.
    """
    text = [f"{_first(networks)}{' '.join(mkdir_argv(networks))}\n"]
    for network in of_vmnet(networks):
        text.append(f'\n# Manage "{network.name}" network daemons\n')
        if installed:
            commands = ", \\\n".join(f"    {' '.join(each)}" for each in allowed_argvs(networks, network))
            text.append(f"\n%{networks.group} ALL=(root:{root_group}) NOPASSWD:NOSETENV: \\\n{commands}\n")
    return "".join(text)


def is_ours(text: str) -> bool:
    """Whether a sudoers file is one that :func:`sudoers_text` or limactl made, of any networks."""
    first, _, _ = text.partition("\n")
    return first.startswith("%") and " ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p /" in first


def _first(networks: Networks) -> str:
    return f"%{networks.group} ALL=(root:wheel) NOPASSWD:NOSETENV: "
