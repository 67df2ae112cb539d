# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed that was made for cloud-init, read in the guest: one of limactl's shape, and its edges."""

from __future__ import annotations

import base64
import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callao.golden.first_boot import cloud_config

USER_DATA = """\
#cloud-config
growpart: {mode: auto, devices: ['/']}
package_update: true
package_upgrade: true
package_reboot_if_required: true
users:
  - name: "ana"
    uid: "1001"
    gecos: "Ana O'Neill"
    homedir: "/home/ana.guest"
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    lock_passwd: true
    ssh-authorized-keys:
      - "ssh-ed25519 AAAA one"
      - "ssh-ed25519 BBBB two"
ca_certs:
  remove_defaults: true
  trusted:
  - |
    -----BEGIN CERTIFICATE-----
    AAAA
    -----END CERTIFICATE-----
bootcmd:
- |
  echo one
  echo two
- [printf, "%s", "it's"]
"""
NETWORK_CONFIG = """\
version: 2
ethernets:
  eth0:
    match: {macaddress: '52:55:55:AA:BB:CC'}
    dhcp4: true
    set-name: eth0
    dhcp4-overrides: {route-metric: 200}
    dhcp-identifier: mac
    nameservers: {addresses: [192.168.5.3]}
"""
META_DATA = "instance-id: 1\nlocal-hostname: lima-x\n"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    folder.mkdir()
    (folder / "user-data").write_text(USER_DATA)
    (folder / "network-config").write_text(NETWORK_CONFIG)
    (folder / "meta-data").write_text(META_DATA)
    return folder


def test_limactls_seed_becomes_one_of_ours(
    seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target"
    cloud_config.main(seed, target)
    files = {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert capsys.readouterr().out == ""
    assert files["meta-data"] == "instance-id: 1\n"
    assert files["first-boot/hostname"] == "lima-x\n"
    assert files["first-boot/nics"] == "52:55:55:aa:bb:cc eth0\n"
    assert files["first-boot/sudoers"] == "ana ALL=(ALL) NOPASSWD:ALL\n"
    assert files["first-boot/authorized_keys"] == "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n"
    assert "DNS=192.168.5.3\n" in files["first-boot.network/10-callao-eth0.network"]
    assert files["first-boot.certificates/callao-0.crt"].startswith("-----BEGIN CERTIFICATE-----\nAAAA\n")
    assert "first-boot/no-default-certificates" in files
    assert "first-boot/ssh_host_ed25519_key" not in files
    names = ("USER", "UID", "COMMENT", "UPGRADE_PACKAGES")
    script = '. "$1"/env.sh; echo ' + "'|'".join(f'"$LIMA_CIDATA_{name}"' for name in names)
    said = subprocess.check_output(["sh", "-c", script, "sh", str(target)], text=True)
    assert said == "ana|1001|Ana O'Neill|1\n"
    said = subprocess.check_output(["sh", str(target / "first-boot/commands.sh")], text=True)
    assert said == "one\ntwo\nit's"


def test_what_is_not_honoured_is_told(
    seed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "runcmd: [ls]\nusers: [{name: a, uid: 1000, groups: adm}, {name: b}]\n"
    (seed / "user-data").write_text(more)
    cloud_config.main(seed, tmp_path / "target")
    told = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert told == ["runcmd", "users.groups", "users[1]"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"content": "é\n"}, "é\n".encode()),
        ({"content": base64.b64encode(b"\0x").decode(), "encoding": "b64"}, b"\0x"),
        ({"content": base64.b64encode(gzip.compress(b"x")).decode(), "encoding": "gz+b64"}, b"x"),
        ({"content": gzip.compress(b"x"), "encoding": "gzip"}, b"x"),
        ({}, b""),
    ],
)
def test_files_are_written_as_they_are_encoded(
    tmp_path: Path, entry: dict[str, Any], expected: bytes
) -> None:
    cloud_config.write_file({"path": "/a/b", "permissions": "0750", **entry}, tmp_path)
    assert (tmp_path / "a/b").read_bytes() == expected
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750


def test_a_file_can_be_added_to(tmp_path: Path) -> None:
    for text in ("a", "b"):
        cloud_config.write_file({"path": "/x", "content": text, "append": True}, tmp_path)
    assert (tmp_path / "x").read_text() == "ab"


@pytest.mark.parametrize("known", [True, False])
def test_a_time_zone_is_set_where_the_image_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    zone = tmp_path / "usr/share/zoneinfo/America/Lima"
    zone.parent.mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    if known:
        zone.touch()
    cloud_config.set_timezone("America/Lima", tmp_path)
    assert (tmp_path / "etc/localtime").is_symlink() == known
    assert ("no data for the time zone" in capsys.readouterr().out) != known
