# SPDX-License-Identifier: GPL-3.0-or-later
"""The files on the seed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from callao.cidata import Seed, seed_files
from callao.config.schema import (
    CACerts,
    HostResolver,
    Locator,
    Mount,
    Network,
    Provision,
    ProvisionMode,
    User,
)
from callao.errors import ConfigError

_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def _yaml(seed: Seed, name: str) -> dict[str, Any]:
    document = yaml.safe_load(seed_files(seed)[name])
    assert isinstance(document, dict)
    return document


def _user_data(seed: Seed) -> dict[str, Any]:
    return _yaml(seed, "user-data")


def test_user_data_is_a_cloud_config(make_seed):
    assert seed_files(make_seed())["user-data"].startswith(b"#cloud-config\n")


def test_the_user_mirrors_the_configuration_and_there_is_no_other(make_seed):
    assert _user_data(make_seed())["users"] == [
        {
            "name": "alice",
            "uid": 1501,
            "gecos": "Alice Doe",
            "homedir": "/home/alice.guest",
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": ["ssh-ed25519 AAAAuser alice@host"],
        }
    ]


def test_a_user_without_passwordless_sudo_gets_no_sudo_rule(make_seed):
    user = User(name="bob", comment="", home="/h", uid=5, passwordless_sudo=False)
    [entry] = _user_data(make_seed(user=user))["users"]
    assert "sudo" not in entry
    assert "gecos" not in entry


def test_the_host_key_is_ours_and_the_only_one(make_seed):
    document = _user_data(make_seed())
    assert document["ssh_deletekeys"] is True
    assert set(document["ssh_keys"]) == {"ed25519_private", "ed25519_public"}
    assert document["ssh_keys"]["ed25519_private"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert document["ssh_keys"]["ed25519_private"].endswith("-----\n")
    [sshd] = [file for file in document["write_files"] if "sshd_config.d" in file["path"]]
    assert sshd["content"] == "HostKey /etc/ssh/ssh_host_ed25519_key\n"


@pytest.mark.parametrize(
    ("name", "hostname"), [("web", "lima-web"), ("web.1_x", "lima-web-1-x"), ("a-b", "lima-a-b")]
)
def test_the_host_name_is_limas(make_seed, name, hostname):
    seed = make_seed(name=name)
    document = _user_data(seed)
    assert (document["hostname"], document["fqdn"]) == (hostname, hostname)
    assert _yaml(seed, "meta-data")["local-hostname"] == hostname
    assert f"192.168.5.15\t{hostname}.internal\n" in seed_files(seed)["etc_hosts"].decode()


def test_a_host_name_that_is_asked_for_takes_its_place(make_seed):
    seed = make_seed(hostname="shop")
    document = _user_data(seed)
    assert (document["hostname"], document["fqdn"]) == ("shop", "shop")
    assert "192.168.5.15\tshop.internal\n" in seed_files(seed)["etc_hosts"].decode()


def test_the_locale_is_left_alone(make_seed):
    assert _user_data(make_seed())["locale"] == "false"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"upgrade_packages": True}, {"package_update", "package_upgrade", "package_reboot_if_required"}),
        ({"dns": ("1.1.1.1",)}, {"manage_resolv_conf", "resolv_conf"}),
        ({"ca_certs": CACerts(remove_defaults=True)}, {"ca_certs"}),
    ],
)
def test_cloud_init_is_asked_only_for_what_the_configuration_needs(make_seed, fields, expected):
    assert set(_user_data(make_seed(**fields))) - set(_user_data(make_seed())) == expected


@pytest.mark.parametrize(
    ("fields", "early"),
    [
        ({}, False),
        ({"env": {"A": "1"}}, True),
        ({"env": {"A": "1"}, "plain": True}, False),
        ({"provision": (Provision(mode=ProvisionMode.BOOT, script="true"),)}, True),
    ],
)
def test_before_sshd_starts_nics_are_named_and_there_may_be_more_to_do(make_seed, fields, early):
    network = Network(lima="shared", mac_address="52:55:55:00:00:01", interface="lima0", metric=100)
    names, *more = _user_data(make_seed(networks=(network,), **fields))["bootcmd"]
    assert names[3:] == ["name-nics", "52:55:55:aa:bb:cc=eth0", "52:55:55:00:00:01=lima0"]
    assert [command[-1] for command in more] == (["early"] if early else [])


@pytest.mark.parametrize("upgrade", [True, False])
def test_cloud_init_loads_only_what_has_work(make_seed, upgrade):
    document = _user_data(make_seed(upgrade_packages=upgrade))
    assert document["cloud_config_modules"] == ["apt-configure", "grub-dpkg", "runcmd"]
    assert "scripts-per-boot" in document["cloud_final_modules"]
    assert ("package-update-upgrade-install" in document["cloud_final_modules"]) == upgrade


def test_the_first_nic_is_found_by_its_mac_and_yields_the_default_route(make_seed):
    network = Network(lima="shared", mac_address="52:55:55:00:00:01", interface="lima0", metric=100)
    ethernets = _yaml(make_seed(networks=(network,)), "network-config")["ethernets"]
    assert ethernets["eth0"]["match"] == {"macaddress": "52:55:55:aa:bb:cc"}
    assert ethernets["eth0"]["set-name"] == "eth0"
    assert ethernets["eth0"]["dhcp4-overrides"]["route-metric"] == 200
    assert ethernets["lima0"]["match"] == {"macaddress": "52:55:55:00:00:01"}
    assert ethernets["lima0"]["dhcp4-overrides"]["route-metric"] == 100


def test_name_servers_of_the_configuration_replace_those_of_dhcp(make_seed):
    eth0 = _yaml(make_seed(dns=("1.1.1.1", "9.9.9.9")), "network-config")["ethernets"]["eth0"]
    assert eth0["nameservers"] == {"addresses": ["1.1.1.1", "9.9.9.9"]}
    assert eth0["dhcp4-overrides"]["use-dns"] is False


def test_the_instance_id_changes_with_the_content_and_only_then(make_seed):
    first, same = (_yaml(make_seed(), "meta-data")["instance-id"] for _ in range(2))
    assert first == same
    script = Provision(script="true")
    assert _yaml(make_seed(provision=(script,)), "meta-data")["instance-id"] != first


def test_provision_scripts_keep_their_number_and_their_bytes(make_seed):
    modes = ("system", "user", "boot", "dependency")
    entries = tuple(Provision(mode=ProvisionMode(mode), script=f"#!/bin/sh\n# é {mode}\n") for mode in modes)
    files = seed_files(make_seed(provision=entries))
    for index, mode in enumerate(modes):
        assert files[f"provision.{mode}/{index:08d}"].decode() == f"#!/bin/sh\n# é {mode}\n"


def test_a_data_file_comes_with_its_place_owner_and_mode(make_seed):
    entry = Provision(mode=ProvisionMode.DATA, path="/etc/x", content="hi", owner="alice", overwrite=False)
    files = seed_files(make_seed(provision=(Provision(script="true"), entry)))
    assert files["provision.data/00000001"] == b"hi"
    lines = files["lima.env"].decode().splitlines()
    assert "LIMA_CIDATA_DATAFILE_00000001_PATH=/etc/x" in lines
    assert "LIMA_CIDATA_DATAFILE_00000001_OWNER=alice" in lines
    assert "LIMA_CIDATA_DATAFILE_00000001_OVERWRITE=false" in lines
    assert "LIMA_CIDATA_DATAFILE_00000001_PERMISSIONS=644" in lines


def test_an_edit_comes_with_its_expression_place_owner_and_mode(make_seed):
    entry = Provision(mode=ProvisionMode.YQ, path="/etc/x.json", expression=".a = 1", permissions="600")
    files = seed_files(make_seed(provision=(Provision(script="true"), entry)))
    assert files["provision.yq/00000001"] == b".a = 1"
    lines = files["lima.env"].decode().splitlines()
    assert [line for line in lines if line.startswith("LIMA_CIDATA_YQ_PROVISION_")] == [
        "LIMA_CIDATA_YQ_PROVISION_00000001_FORMAT=auto",
        "LIMA_CIDATA_YQ_PROVISION_00000001_OWNER=root:root",
        "LIMA_CIDATA_YQ_PROVISION_00000001_PATH=/etc/x.json",
        "LIMA_CIDATA_YQ_PROVISION_00000001_PERMISSIONS=600",
    ]
    assert "edit.sh" in files
    assert "edit.sh" not in seed_files(make_seed())


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (Provision(mode=ProvisionMode.ANSIBLE, playbook="site.yml"), "provision[0].mode"),
        (Provision(file=Locator(url="https://example.com/x.sh")), "provision[0].file"),
    ],
)
def test_a_provision_entry_that_cannot_be_carried_over_is_named(make_seed, entry, path):
    with pytest.raises(ConfigError) as caught:
        seed_files(make_seed(provision=(entry,)))
    assert [problem.path for problem in caught.value.problems] == [path]


def test_what_lima_calls_its_variables_we_call_them_too(make_seed):
    mount = Mount(location="/Users/alice", mount_point="/Users/alice")
    seed = make_seed(param={"Color": "red"}, mounts=(mount,), environment={"HOME": "/Users/alice"})
    lima = dict(line.split("=", 1) for line in seed_files(seed)["lima.env"].decode().splitlines())
    assert lima["LIMA_CIDATA_NAME"] == "web"
    assert lima["LIMA_CIDATA_USER"] == "alice"
    assert lima["LIMA_CIDATA_UID"] == "1501"
    assert lima["LIMA_CIDATA_HOME"] == "/home/alice.guest"
    assert lima["LIMA_CIDATA_SLIRP_GATEWAY"] == "192.168.5.2"
    assert lima["LIMA_CIDATA_SLIRP_IP_ADDRESS"] == "192.168.5.15"
    assert lima["LIMA_CIDATA_MOUNTS"] == "1"
    assert lima["LIMA_CIDATA_MOUNTS_0_MOUNTPOINT"] == "/Users/alice"
    assert lima["LIMA_CIDATA_HOSTHOME_MOUNTPOINT"] == "/Users/alice"
    assert seed_files(seed)["param.env"] == b"PARAM_Color=red\n"


@pytest.mark.parametrize(
    "value", ["it's", "a b", "$(touch /tmp/x)", "`id`", 'say "hi"', "back\\slash", "é", ""]
)
def test_values_reach_a_shell_as_they_are(make_seed, tmp_path, value):
    seed = make_seed(param={"X": value})
    script = tmp_path / "env.sh"
    script.write_bytes(seed_files(seed)["env.sh"])
    argv = ["sh", "-euc", '. "$1"; printf %s "$PARAM_X"', "sh", str(script)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == value


def test_a_name_that_no_shell_takes_is_kept_from_the_shells(make_seed):
    files = seed_files(make_seed(env={"A;reboot": "1", "B": "2"}))
    assert b"reboot" not in files["env.sh"]
    assert b'B="2"\n' in files["etc_environment"]


def test_a_line_break_in_env_is_refused(make_seed):
    with pytest.raises(ConfigError, match=r"env\.A"):
        seed_files(make_seed(env={"A": "1\n2"}))


def test_plain_leaves_the_guest_as_it_is_but_for_user_keys_and_provision(make_seed):
    files = seed_files(make_seed(plain=True, env={"A": "1"}, provision=(Provision(script="true"),)))
    assert not {name for name in files if name.startswith(("boot/", "boot.packages/", "etc_"))}
    assert {"boot.sh", "provision.system/00000000"} <= set(files)
    assert b"export A=1\n" in files["env.sh"]


@pytest.mark.parametrize(
    ("mounts", "skip", "installed"), [(0, False, False), (1, False, True), (1, True, False)]
)
def test_sshfs_is_looked_for_only_when_mounts_need_it(make_seed, mounts, skip, installed):
    own = Provision(mode=ProvisionMode.DEPENDENCY, script="true", skip_default_dependency_resolution=skip)
    seed = make_seed(mounts=(Mount(location="/x", mount_point="/x"),) * mounts, provision=(own,))
    assert ("boot.packages/10-sshfs.sh" in seed_files(seed)) is installed


@pytest.mark.parametrize(
    ("hosts", "lines"),
    [
        ({}, []),
        ({"db": "10.0.0.5"}, ["10.0.0.5\tdb"]),
        ({"me": "host.lima.internal"}, ["192.168.5.2\tme"]),
        ({"a": "b", "b": "fd00::1"}, ["fd00::1\ta", "fd00::1\tb"]),
        ({"a": "b", "b": "a"}, []),
        ({"www": "example.com"}, []),
    ],
)
def test_names_that_lead_to_an_address_stand_in_etc_hosts(make_seed, hosts, lines):
    text = seed_files(make_seed(host_resolver=HostResolver(hosts=hosts)))["etc_hosts"].decode()
    assert text.splitlines() == [
        "192.168.5.2\thost.lima.internal",
        "192.168.5.15\tlima-web.internal",
        *lines,
    ]


def test_certificates_come_from_the_host_once_each(make_seed, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("# CA\n" + _CERTIFICATE.format("QQ==") + _CERTIFICATE.format("Qg=="))
    wanted = CACerts(files=(str(bundle),), certs=(_CERTIFICATE.format("  QQ=="),))
    document = _user_data(make_seed(ca_certs=wanted))
    assert document["ca_certs"] == {"trusted": [_CERTIFICATE.format("QQ=="), _CERTIFICATE.format("Qg==")]}


def test_a_certificate_file_that_has_no_end_is_refused(make_seed, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 2**40)
    with pytest.raises(ConfigError, match="larger than 16 MiB") as caught:
        seed_files(make_seed(ca_certs=CACerts(files=("/dev/zero", str(tmp_path / "pipe"), str(large)))))
    assert len(caught.value.problems) == 3


def test_every_certificate_that_cannot_be_had_is_named(make_seed, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.touch()
    wanted = CACerts(files=(str(tmp_path / "missing.pem"), str(empty)), certs=("junk",))
    with pytest.raises(ConfigError) as caught:
        seed_files(make_seed(ca_certs=wanted))
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["caCerts.files[0]", "caCerts.files[1]", "caCerts.certs[0]"]


def test_content_touches_nothing(make_seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seed = make_seed(provision=(Provision(script="true"),))
    before = msgspec.json.encode(seed.config)
    seed_files(seed)
    assert list(Path.cwd().iterdir()) == []
    assert msgspec.json.encode(seed.config) == before
