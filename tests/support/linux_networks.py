# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and stops networks of mode shared, host and bridged in a :class:`SudoNamespace`, by sudo."""

from __future__ import annotations

from support.sudo_namespace import SudoNamespace

SCRIPT = """
import sys
from pathlib import Path
from callao.config.networks_yaml import read_networks
from callao.networks.vmnet import daemon
home = Path("/srv/home/.lima")
networks = read_networks(home)
for name in {names!r}:
    daemon.{call}
"""


def start(host: SudoNamespace, *names: str) -> None:
    call = "start(networks, networks.by_name[name], home)"
    done = host.python(SCRIPT.format(names=names, call=call))
    assert done.returncode == 0, done.stderr


def stop(host: SudoNamespace, *names: str) -> None:
    done = host.python(SCRIPT.format(names=names, call="stop(networks, name, home)"))
    assert done.returncode == 0, done.stderr
