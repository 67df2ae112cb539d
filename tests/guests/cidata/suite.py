# SPDX-License-Identifier: GPL-3.0-or-later
"""What the seed makes of a guest on its first boot, and of each copy of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from support.home import Home

from callao.events import Event

NAME = "seed.one_x"

_AS_USER = """#!/bin/bash
set -eu
{ id -un; pwd; echo "$XDG_RUNTIME_DIR"; echo "$PARAM_WHO"; echo "$https_proxy"; } >~/user
systemctl --user list-units >/dev/null
echo user >>~/boots
"""

_ONCE = "#!/bin/sh\n[ -e /etc/provisioned ] || date +%s.%N >/etc/provisioned\n"

EXTRA: dict[str, Any] = {
    "disk": "6GiB",
    "timezone": "America/Lima",
    "user": {"name": "alice", "uid": 1501, "comment": "Alice Doe"},
    "param": {"WHO": "it's me"},
    "env": {"https_proxy": "http://localhost:3128"},
    "propagateProxyEnv": False,
    "hostResolver": {"hosts": {"db.internal": "10.0.0.5"}},
    "provision": [
        {"mode": "user", "script": _AS_USER},
        {"mode": "system", "script": "#!/bin/sh\ncat /etc/app/conf >>/var/order\n"},
        {"mode": "system", "script": _ONCE},
        {"mode": "dependency", "script": "#!/bin/sh\necho dependency >>/var/order\n"},
        {"mode": "boot", "script": "#!/bin/sh\necho boot >>/var/order\n"},
        {"mode": "data", "path": "/etc/app/conf", "content": "system with data\n"},
        {
            "mode": "data",
            "path": "{{.Home}}/.config/app/key",
            "content": "é\n",
            "owner": "{{.User}}:{{.User}}",
            "permissions": "600",
        },
        {
            "mode": "yq",
            "path": "{{.Home}}/.config/docker/daemon.json",
            "expression": '.features.containerd-snapshotter = true | .user = "{{.User}}"',
            "owner": "{{.User}}:{{.User}}",
        },
        {"mode": "data", "path": "/etc/app/more.yaml", "content": "a: 1  # one\n", "overwrite": False},
        {"mode": "yq", "path": "/etc/app/more.yaml", "expression": ".b = .a + 1", "permissions": "640"},
    ],
}

WRITTEN = (
    "/etc/hosts /etc/environment /etc/app/conf /etc/localtime ~/.config/app/key /etc/app/more.yaml"
    " ~/.config/docker/daemon.json"
)
"""The files that the seed has the guest write."""


@dataclass
class Box:
    """The instance, and a way in by its own ssh.config, which checks the host key."""

    home: Home
    events: list[Event] = field(default_factory=list)
    """Of its creation."""

    def run(self, command: str) -> str:
        done = self.home.ssh(NAME, command)
        assert done.returncode == 0, done.stderr
        return done.stdout


class FirstBootSuite:
    """Each test only reads."""

    def test_the_boot_is_reported_done(self, box: Box) -> None:
        assert box.run("cat /run/lima-boot-done") == "code=0\n"

    def test_the_first_boot_has_nothing_to_complain_of(self, box: Box) -> None:
        assert box.run("cat /run/callao/errors 2>/dev/null || true") == ""
        assert box.run("command -v cloud-init || true") == ""
        assert (
            box.run("systemctl is-system-running --wait || true; systemctl --failed --quiet") == "running\n"
        )

    def test_what_a_quick_boot_leaves_out_is_there_for_who_uses_it(self, box: Box) -> None:
        assert box.run("findmnt -no OPTIONS /").startswith("rw,")
        assert box.run("sudo ls /run/initramfs/fsck-root /sys/module/button/initstate").count("\n") == 2
        assert "system boot" in box.run("who -b")
        mounted = "until mountpoint -q {}; do sleep 0.5; done"
        box.run("sudo modprobe -a fuse configfs")
        box.run(f"timeout 60 sh -c '{mounted.format('/sys/fs/fuse/connections')}'")
        box.run(f"timeout 60 sh -c '{mounted.format('/sys/kernel/config')}'")

    def test_the_user_is_the_configurations(self, box: Box) -> None:
        entry = box.run("getent passwd alice").strip().split(":")
        assert (entry[2], entry[4:]) == ("1501", ["Alice Doe", "/home/alice.guest", "/bin/bash"])
        assert box.run("readlink /home/alice.linux").strip() == "alice.guest"
        assert box.run("sudo -n id -u").strip() == "0"

    def test_our_host_key_is_the_only_one(self, box: Box) -> None:
        keys = box.run("ls /etc/ssh/ssh_host_*_key").split()
        assert keys == ["/etc/ssh/ssh_host_ed25519_key"]

    def test_the_guest_knows_its_names(self, box: Box) -> None:
        assert box.run("hostname").strip() == "lima-seed-one-x"
        assert box.run("getent ahostsv4 host.lima.internal").split()[0] == "192.168.5.2"
        assert box.run("getent ahostsv4 lima-seed-one-x.internal").split()[0] == "192.168.5.15"
        assert box.run("getent ahostsv4 db.internal").split()[0] == "10.0.0.5"

    def test_the_first_nic_is_eth0_and_has_limas_metric(self, box: Box) -> None:
        assert "via 192.168.5.2 dev eth0 " in box.run("ip route show default")
        assert " metric 200" in box.run("ip route show default")

    def test_the_root_file_system_has_grown(self, box: Box) -> None:
        assert int(box.run("df --output=size -B1 / | tail -n 1")) > 5 * 2**30

    def test_the_environment_and_the_time_zone_are_set(self, box: Box) -> None:
        assert box.run("echo $https_proxy $HTTPS_PROXY").split() == ["http://192.168.5.2:3128"] * 2
        assert box.run("date +%z").strip() == "-0500"

    def test_user_scripts_ran_as_the_user_with_systemd(self, box: Box) -> None:
        assert box.run("cat ~/user").splitlines() == [
            "alice",
            "/home/alice.guest",
            "/run/user/1501",
            "it's me",
            "http://192.168.5.2:3128",
        ]

    def test_data_files_are_in_place(self, box: Box) -> None:
        assert (
            box.run("stat -c '%a %U:%G' ~/.config/app/key; cat ~/.config/app/key") == "600 alice:alice\né\n"
        )
        assert box.run("stat -c '%U' ~/.config/app") == "alice\n"

    def test_files_are_edited_by_yqs_expressions(self, box: Box) -> None:
        assert json.loads(box.run("cat ~/.config/docker/daemon.json")) == {
            "features": {"containerd-snapshotter": True},
            "user": "alice",
        }
        assert box.run("stat -c '%a %U:%G' ~/.config/docker/daemon.json") == "644 alice:alice\n"
        assert box.run("sudo cat /etc/app/more.yaml") == "a: 1  # one\nb: 2\n"
        assert box.run("sudo stat -c '%a %U:%G' /etc/app/more.yaml") == "640 root:root\n"

    def test_scripts_ran_in_limas_order(self, box: Box) -> None:
        assert box.run("cat /var/order").splitlines() == ["boot", "dependency", "system with data"]
