# SPDX-License-Identifier: GPL-3.0-or-later
"""What no guest would come up with is refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.config import effective
from callao.errors import ConfigError
from callao.host import Host
from callao.lifecycle.unsupported import refuse_unsupported

HOST = Host.detect()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"memory": 4}, "memory: 4: "),
        ({"memory": "4MiB"}, r"memory: 4194304: .*allowed: at least 64MiB.* this host has \d+MiB"),
        ({"cpus": 1000}, r"cpus: 1000: .*allowed: 1 to 255; this host has \d+"),
        ({"user": {"name": "www-data"}}, "user.name: 'www-data': is a system account of the guest"),
        ({"user": {"name": "systemd-oom"}}, "user.name: 'systemd-oom': is a system account"),
        ({"user": {"name": "_chrony"}}, "user.name: '_chrony': is a system account"),
        ({"user": {"shell": "/usr/sbin/nologin"}}, "user.shell: '/usr/sbin/nologin': lets nobody log in"),
        ({"user": {"name": "nobody"}}, "user.name: 'nobody': is a system account"),
    ],
)
def test_it_is_refused_with_what_is_allowed(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    document = {"images": [{"location": "/a.qcow2"}], "vmType": "qemu", **fields}
    with pytest.raises(ConfigError, match=words):
        refuse_unsupported(effective(document, HOST, name="web", instance_dir=tmp_path / "web"), "web", HOST)
