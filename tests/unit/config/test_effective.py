# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults, references, rules."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callao.config import Config, changes, check_schema, effective, to_document
from callao.config.coercion import fields_of
from callao.config.driver_choice import candidates, default_vm_type, others
from callao.config.schema import MountType, VMType
from callao.errors import ConfigError
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
IMAGE = {"images": [{"location": "/img.qcow2"}]}
SCRIPT = "#!/bin/sh\ntrue\n"


def config(host: Host = HOST, **document: Any) -> Config:
    return effective({**IMAGE, **document}, host, name="web.1", instance_dir=Path("/home/ann/.lima/web.1"))


def problems(**document: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        config(**document)
    return {problem.path: str(problem) for problem in caught.value.problems}


def user(name: str, uid: int) -> Host:
    return replace(HOST, user=HostUser(name, uid, "Somebody", "/home/x"))


def test_defaults_are_limas() -> None:
    filled = config()
    assert (filled.vm_type, filled.arch, filled.os) == ("qemu", "x86_64", "Linux")
    assert (filled.cpus, filled.memory, filled.disk) == (4, 4 * 2**30, 100 * 2**30)
    assert (filled.user.name, filled.user.uid, filled.user.home) == ("ann", 1001, "/home/ann.guest")
    assert filled.timezone == "Europe/Lisbon"
    assert filled.ssh.local_port == 0
    assert filled.propagate_proxy_env


def test_small_hosts_give_less() -> None:
    small = config(replace(HOST, cpus=2, memory=3 * 2**30))
    assert (small.cpus, small.memory) == (2, 3 * 2**29)


@pytest.mark.parametrize(
    ("system", "document", "driver"),
    [
        ("linux", {}, "qemu"),
        ("darwin", {}, "vz"),
        ("darwin", {"arch": "aarch64"}, "qemu"),
        ("darwin", {"firmware": {"legacyBIOS": True}}, "qemu"),
        ("windows", {}, "wsl2"),
    ],
)
def test_the_driver_fits_the_host(system: str, document: dict[str, Any], driver: str) -> None:
    assert config(replace(HOST, os=system), **document).vm_type == driver


@pytest.mark.parametrize(
    ("version", "document", "words"),
    [
        ((13, 4), {}, "needs macOS 13.5, and this host has 13.4"),
        ((14, 5), {"arch": "aarch64"}, "arch: aarch64 is not this host's, which is x86_64"),
        ((14, 5), {"firmware": {"legacyBIOS": True}}, "boots by UEFI only"),
        ((), {"mountType": "9p"}, "has no 9p"),
        ((13, 5), {}, ""),
        ((26, 0), {"mountType": "virtiofs"}, ""),
    ],
)
def test_why_vz_is_not_chosen_on_a_mac_is_told(
    version: tuple[int, ...], document: dict[str, Any], words: str
) -> None:
    host = replace(HOST, os="darwin", version=version)
    vz, qemu = candidates(document, host)
    assert (vz.vm_type, bool(vz.obstacle)) == (VMType.VZ, bool(words))
    assert words in vz.obstacle
    assert (qemu.vm_type, qemu.obstacle) == (VMType.QEMU, "")
    assert default_vm_type(document, host) == ("qemu" if words else "vz")
    assert words in others(document, host, VMType.QEMU)


@pytest.mark.parametrize(
    ("name", "uid", "mirrored"),
    [
        ("ann", 1001, ("ann", 1001)),
        ("root", 0, ("lima", 1000)),
        ("Ann Smith", 501, ("lima", 501)),
        ("ann.smith", 501, ("lima", 501)),
        ("_svc", 200, ("_svc", 200)),
        ("a" * 40, 1001, ("lima", 1001)),
    ],
)
def test_the_hosts_user_is_mirrored_where_linux_allows(
    name: str, uid: int, mirrored: tuple[str, int]
) -> None:
    guest = config(user(name, uid)).user
    assert (guest.name, guest.uid) == mirrored


def test_mac_addresses_are_stable_and_differ() -> None:
    networks = [{"socket": "/a"}, {"socket": "/b"}]
    macs = [network.mac_address for network in config(networks=networks).networks]
    assert macs == [network.mac_address for network in config(networks=networks).networks]
    assert len(set(macs)) == 2
    assert all(mac.startswith("52:55:55:") for mac in macs)
    assert [network.interface for network in config(networks=networks).networks] == ["lima0", "lima1"]


def test_references_know_the_host_or_the_guest() -> None:
    filled = config(
        param={"sub": "src"},
        mounts=[{"location": "{{.Home}}/{{.Param.sub}}", "mountPoint": "{{.Home}}/{{.Name}}"}],
        provision=[{"mode": "data", "path": "/etc/{{.Hostname}}", "content": "{{.User}} {{ .UID }}"}],
    )
    mount = filled.mounts[0]
    assert (mount.location, mount.mount_point) == ("/home/ann/src", "/home/ann.guest/web.1")
    assert (filled.provision[0].path, filled.provision[0].content) == ("/etc/lima-web-1", "ann 1001")


def test_home_is_the_hosts() -> None:
    assert config(mounts=[{"location": "~/src"}]).mounts[0].mount_point == "/home/ann/src"


def test_the_hosts_root_does_not_cover_the_guests() -> None:
    root = replace(HOST, user=HostUser("root", 0, "root", "/root"))
    assert config(root, mounts=[{"location": "~"}]).mounts[0].mount_point == "/mnt/root"


def test_roots_files_are_shared_by_what_lets_the_guests_user_write_them() -> None:
    root = replace(HOST, user=HostUser("root", 0, "root", "/root"), virtiofs=True)
    for lacking in ([], ["9p"]):
        assert config(root, mountTypesUnsupported=lacking).mount_type is MountType.REVERSE_SSHFS
    assert config(root, mountType="virtiofs").mount_type is MountType.VIRTIOFS


def test_ports_become_ranges() -> None:
    rule = config(portForwards=[{"guestPort": 80, "hostPort": 8080}]).port_forwards[0]
    assert (rule.guest_port_range, rule.host_port_range) == ((80, 80), (8080, 8080))
    rule = config(portForwards=[{"guestPortRange": [1, 5]}]).port_forwards[0]
    assert rule.host_port_range == (1, 5)


def test_plain_drops_what_needs_help_from_inside() -> None:
    rules = [{"guestPort": 80}, {"guestPort": 81, "static": True}]
    plain = config(plain=True, mounts=[{"location": "/x"}], portForwards=rules, containerd={"user": True})
    assert plain.mounts == ()
    assert [rule.guest_port_range for rule in plain.port_forwards] == [(81, 81)]
    assert not plain.containerd.user
    assert plain.timezone == ""


def test_null_means_the_default() -> None:
    assert config(cpus=None, ssh=None, mounts=None, user={"name": None}) == config()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"images": []}, "images"),
        ({"images": [{"location": ""}]}, "images[0].location"),
        ({"images": [{"location": "/x", "digest": "sha256:1"}]}, "images[0].digest"),
        ({"images": [{"location": "/x", "initrd": {"location": "/i"}}]}, "images[0].initrd"),
        ({"mounts": [{"writable": True}]}, "mounts[0].location"),
        ({"mounts": [{"location": "x"}]}, "mounts[0].location"),
        ({"mounts": [{"location": "/x", "mountPoint": "/usr/"}]}, "mounts[0].mountPoint"),
        ({"mounts": [{"location": "/x", "mountPoint": "/home/ann.guest"}]}, "mounts[0].mountPoint"),
        ({"mountType": "9p", "mountTypesUnsupported": ["9p"]}, "mountType"),
        ({"additionalDisks": [{"format": True}]}, "additionalDisks[0].name"),
        ({"user": {"name": "root"}}, "user.uid"),
        ({"user": {"home": "relative"}}, "user.home"),
        ({"user": {"shell": "bash"}}, "user.shell"),
        ({"user": {"comment": "a:b"}}, "user.comment"),
        ({"user": {"passwordlessSudo": False}}, "user.passwordlessSudo"),
        ({"param": {"1x": "y"}}, "param.1x"),
        ({"param": {"x": "a\nb"}}, "param.x"),
        ({"provision": [{}]}, "provision[0].script"),
        ({"provision": [{"mode": "data", "content": "x"}]}, "provision[0].path"),
        ({"provision": [{"mode": "data", "path": "x", "content": ""}]}, "provision[0].path"),
        ({"provision": [{"script": SCRIPT, "path": "/x"}]}, "provision[0].path"),
        ({"provision": [{"mode": "yq", "path": "/x"}]}, "provision[0].expression"),
        ({"probes": [{}]}, "probes[0].script"),
        ({"probes": [{"script": SCRIPT, "mode": "liveness"}]}, "probes[0].mode"),
        ({"portForwards": [{"guestIP": "x", "guestPort": 80}]}, "portForwards[0].guestIP"),
        ({"portForwards": [{"guestPort": 22}]}, "portForwards[0].guestPort"),
        ({"portForwards": [{"guestSocket": "x", "hostSocket": "/y"}]}, "portForwards[0].guestSocket"),
        (
            {"portForwards": [{"hostSocket": "/" + "x" * 120, "guestSocket": "/y"}]},
            "portForwards[0].hostSocket",
        ),
        ({"portForwards": [{"guestPort": 80, "reverse": True}]}, "portForwards[0].reverse"),
        ({"networks": [{}]}, "networks[0]"),
        ({"networks": [{"socket": "/s", "interface": "eth0"}]}, "networks[0].interface"),
        ({"networks": [{"socket": "/s", "interface": "a"}, {"socket": "/t", "interface": "a"}]}, None),
        ({"dns": ["1.1.1.1"]}, "dns"),
        ({"dns": ["x"], "hostResolver": {"enabled": False}}, "dns[0]"),
        ({"guestInstallPrefix": "usr"}, "guestInstallPrefix"),
        ({"minimumLimaVersion": "99.0"}, "minimumLimaVersion"),
    ],
)
def test_each_rule_names_its_place(document: dict[str, Any], path: str | None) -> None:
    if path is not None:
        assert path in problems(**document)


@pytest.mark.parametrize(
    "document",
    [
        {"provision": [{"script": SCRIPT}, {"mode": "user", "script": "echo no interpreter named"}]},
        {
            "provision": [
                {"mode": "data", "path": "/x", "content": "", "permissions": "0644", "owner": "a:b"}
            ]
        },
        {"dns": ["1.1.1.1", "::1"], "hostResolver": {"enabled": False}},
        {"user": {"passwordlessSudo": False}, "plain": True},
        {"portForwards": [{"guestPort": 22, "ignore": True}]},
        {"networks": [{"socket": "/s", "macAddress": "52:55:55:00:00:01", "metric": 50}]},
        {"arch": "default", "cpuType": {"x86_64": "max"}},
        {"env": {"PORT": 8080, "DEBUG": True, "NOTHING": None}},
    ],
)
def test_what_lima_allows_is_allowed(document: dict[str, Any]) -> None:
    config(**document)


def test_all_problems_are_told_at_once() -> None:
    found = problems(cpus=-1, memory="x", mounts=[{"location": "x"}], dns=["1.1.1.1"])
    assert set(found) == {"cpus", "memory", "mounts[0].location", "dns"}


def strict(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        check_schema(document)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_an_unknown_key_changes_nothing_and_is_a_problem_to_a_strict_check() -> None:
    document = {"mountz": [], "ssh": {"port": 1}}
    assert config(**document) == config()
    found = strict(document)
    assert set(found) == {"mountz", "ssh.port"}
    assert "did you mean 'mounts'" in found["mountz"]


def test_keys_that_would_break_the_message_are_quoted() -> None:
    assert set(strict({"": 1, "a\nb": 1, "ssh": {"": 1}})) == {"''", "'a\\nb'", "ssh.''"}


def test_a_configuration_reads_like_lima_yaml_and_means_the_same_again() -> None:
    filled = config(memory="1536MiB", mounts=[{"location": "/x"}], portForwards=[{"guestPort": 80}])
    document = to_document(filled)
    assert document["memory"] == "1536MiB"
    assert document["mounts"][0]["9p"]["msize"] == "128KiB"
    again = effective(document, HOST, name="web.1", instance_dir=Path("/home/ann/.lima/web.1"))
    assert again == filled


def test_changes_are_told_leaf_by_leaf() -> None:
    found = changes(config(), config(cpus=2, ssh={"forwardAgent": True}, mounts=[{"location": "/x"}]))
    assert [change.path for change in found] == ["cpus", "mounts", "ssh.forwardAgent"]
    assert changes(config(), config()) == []


KEYS = st.sampled_from(sorted(fields_of(Config))) | st.text(max_size=5)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["4GiB", "qemu", "x86_64", "/x", "~", "{{.Name}}", "{{.Param.x}}", "system", SCRIPT])
)  # fmt: skip
INNER = st.sampled_from(
    ["location", "mountPoint", "mode", "script", "guestPort", "guestPortRange", "name", "uid", "9p", "msize",
     "kernel", "user", "x86_64", "file", "interface", "macAddress", "enabled", "hosts", "qemu", "cpuType"]
) | st.text(max_size=4)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, TREES, max_size=5))
def test_nothing_but_its_own_error_comes_of_any_document(document: dict[str, Any]) -> None:
    for each in (document, {**IMAGE, **document}):
        with contextlib.suppress(ConfigError):
            check_schema(each)
        with contextlib.suppress(ConfigError):
            effective(each, HOST, name="web", instance_dir=Path("/h/web"))
