# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates that come with Callao: each a whole configuration, each of its scripts a sound one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, effective, load
from callao.config.message import message, message_problem
from callao.config.yq_edit import edited
from callao.errors import ConfigError
from callao.host import Host, HostUser
from callao.templates import builtin_names, resolve
from callao.templates.find import builtin_dir

PLACE = builtin_dir()
EXPERIMENTAL = [f"experimental/{path.stem}" for path in sorted((PLACE / "experimental").glob("*.yaml"))]
OTHER_SYSTEMS = {
    **dict.fromkeys(
        ("freebsd", "freebsd-15", "experimental/freebsd-16", "experimental/freebsd-current"), "FreeBSD"
    ),
    **dict.fromkeys(("macos", "macos-15", "macos-26", "homebrew-macos"), "Darwin"),
    **dict.fromkeys(("windows", "windows-11", "windows-2025"), "Windows"),
}
"""By name, the system of those that are no Linux: they resolve, and no driver of this version runs them."""

ALL = sorted({*builtin_names(), *EXPERIMENTAL})
NAMES = [name for name in ALL if name not in OTHER_SYSTEMS]
PARTS = sorted(
    str(path.relative_to(PLACE).with_suffix(""))
    for folder in ("_default", "_images")
    for path in (PLACE / folder).glob("*.yaml")
)
ARCHES = ("x86_64", "aarch64")
HOST_OF = {"wsl2": ("windows", "x86_64"), "vz": ("darwin", "aarch64"), "krunkit": ("darwin", "aarch64")}
DIR = Path("/home/ann/.lima/web")

NEWEST = re.compile(r"latest|/release/ubuntu-|/current/")
"""What the distributions call the place of whatever is newest."""

REBUILT_IN_PLACE = "https://download.opensuse.org/"
"""openSUSE's images have no other name than this one, and change under it."""

MEANT_FOR_LIMA = {"containerd"}
"""Keys that only repeat our default, where Lima's own differs: the template has to mean the same to both."""


def host(system: str = "linux", arch: str = "x86_64") -> Host:
    return Host(system, arch, 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "")


def document_of(name: str, home: Path) -> dict[str, Any]:
    return resolve(name, home).document


def config_of(name: str, home: Path, where: Host | None = None) -> Config:
    document = document_of(name, home)
    where = where or host(*HOST_OF.get(str(document.get("vmType")), ("linux", "x86_64")))
    return effective(document, where, name="web", instance_dir=DIR)


def scripts_of(config: Config) -> Iterator[str]:
    yield from (each.script for each in config.provision if each.script is not None)
    yield from (each.script for each in config.probes if each.script is not None)


WITH_SCRIPTS = [
    name
    for name in NAMES
    if re.search(r"provision:|probes:", (PLACE / f"{name}.yaml").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("name", ALL)
def test_the_first_line_tells_how_to_start_it(name: str) -> None:
    first, *rest = (PLACE / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = [first, *rest[:2]]
    assert first.startswith("# ")
    assert any(f"`callao start template:{name}`" in line for line in comment)


@pytest.mark.parametrize("name", PARTS)
def test_the_first_line_of_a_base_tells_how_to_take_it(name: str) -> None:
    first = (PLACE / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
    assert re.fullmatch(rf"# .*`base: template:{re.escape(name)}`\.", first)


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_a_whole_configuration(name: str, arch: str, tmp_path: Path) -> None:
    config = (
        config_of(name, tmp_path) if name in EXPERIMENTAL else config_of(name, tmp_path, host(arch=arch))
    )
    if name not in EXPERIMENTAL:
        assert config.arch == arch
    assert any(image.arch == config.arch for image in config.images)


@pytest.mark.parametrize("name", sorted(OTHER_SYSTEMS))
def test_a_template_of_another_system_says_which(name: str, tmp_path: Path) -> None:
    document = document_of(name, tmp_path)
    assert document["os"] == OTHER_SYSTEMS[name]
    assert document["images"]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_a_digest_or_is_the_newest_there_is(name: str, tmp_path: Path) -> None:
    for image in config_of(name, tmp_path).images:
        assert image.location.startswith("https://")
        assert image.arch is not None
        if image.location.startswith(REBUILT_IN_PLACE):
            assert image.digest is None
        else:
            assert (image.digest is None) == bool(NEWEST.search(image.location))


@pytest.mark.parametrize("name", NAMES)
def test_the_pinned_image_comes_first(name: str, tmp_path: Path) -> None:
    images = config_of(name, tmp_path).images
    for key in {(image.arch, image.variant, image.arch_variant) for image in images}:
        digests = [
            image.digest for image in images if (image.arch, image.variant, image.arch_variant) == key
        ]
        assert digests == sorted(digests, key=lambda digest: digest is None)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_sets_no_key_in_vain(name: str, tmp_path: Path) -> None:
    document = document_of(name, tmp_path)
    meant = effective(document, host(), name="web", instance_dir=DIR)
    for key in document.keys() - MEANT_FOR_LIMA:
        without = {each: value for each, value in document.items() if each != key}
        try:
            assert effective(without, host(), name="web", instance_dir=DIR) != meant, key
        except ConfigError:
            continue


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*EXPERIMENTAL, "agent"}])
def test_the_home_directory_is_shared_read_only(name: str, tmp_path: Path) -> None:
    assert [(each.location, each.writable) for each in config_of(name, tmp_path).mounts] == [
        ("/home/ann", False)
    ]


def test_the_template_for_agents_shares_nothing_and_lets_little_out(tmp_path: Path) -> None:
    config = config_of("agent", tmp_path)
    assert config.mounts == ()
    assert config.egress is not None
    assert not any("*" in each for each in config.egress.allow)
    assert config.port_forwards[0].ignore


@pytest.mark.parametrize("name", WITH_SCRIPTS)
def test_a_script_is_one_that_bash_can_run(name: str, tmp_path: Path) -> None:
    for script in scripts_of(config_of(name, tmp_path)):
        assert script.startswith("#!/bin/bash\nset -eu")
        assert "-o pipefail\n" in script
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("name", WITH_SCRIPTS)
def test_shellcheck_finds_nothing_in_a_script(name: str, tmp_path: Path) -> None:
    files = []
    for index, script in enumerate(scripts_of(config_of(name, tmp_path))):
        files.append(tmp_path / f"{index}.sh")
        files[-1].write_text(script, encoding="utf-8")
    checked = subprocess.run(["shellcheck", *files], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", WITH_SCRIPTS)
def test_a_probe_says_what_it_waits_for_and_where_to_look(name: str, tmp_path: Path) -> None:
    config = config_of(name, tmp_path)
    assert config.probes
    assert all(probe.description and probe.hint for probe in config.probes)


def shown(config: Config) -> str:
    return message(config, host(), name="web", instance_dir=DIR)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_expands(name: str, tmp_path: Path) -> None:
    config = config_of(name, tmp_path)
    assert message_problem(config, host(), name="web", instance_dir=DIR) is None
    assert "<no value>" not in shown(config)
    assert "{{" not in shown(config)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_names_only_files_that_will_be_there(name: str, tmp_path: Path) -> None:
    config = config_of(name, tmp_path)
    there = {each.host_socket for each in config.port_forwards} | {each.host for each in config.copy_to_host}
    assert set(re.findall(rf"{re.escape(str(DIR))}/\S+", shown(config))) <= there
    assert bool(config.message) or not there


@pytest.mark.parametrize("name", ["k3s", "k8s"])
def test_a_node_that_joins_a_server_has_no_kubeconfig_for_the_host(name: str, tmp_path: Path) -> None:
    document = document_of(name, tmp_path)
    url = "https://lima-one.internal:6443"
    joined = {**document, "param": {**document["param"], "url": url, "token": "s3cret"}}
    config = effective(joined, host(), name="web", instance_dir=DIR)
    assert shown(config).strip() == f"This node has joined {url}."
    assert all(each.skip_if_missing for each in config.copy_to_host)


@pytest.mark.parametrize(
    ("name", "path", "owner"),
    [
        ("docker", "/home/ann.guest/.config/docker/daemon.json", "ann"),
        ("docker-rootful", "/etc/docker/daemon.json", "root:root"),
    ],
)
def test_dockers_engine_is_configured_by_an_edit_that_keeps_the_users(
    name: str, path: str, owner: str, tmp_path: Path
) -> None:
    document = document_of(name, tmp_path)
    for value in ("true", "false"):
        chosen = {**document, "param": {"containerdSnapshotter": value}}
        config = effective(chosen, host(), name="web", instance_dir=DIR)
        [edit] = [each for each in config.provision if each.mode == "yq"]
        assert (edit.path, edit.owner) == (path, owner)
        result = json.loads(edited('{"debug": true}', edit.expression or "", "json"))
        features = {"cdi": True, "containerd-snapshotter": value == "true"}
        assert result == {"debug": True, "features": features}


@pytest.mark.parametrize(
    ("name", "guest", "here"),
    [
        ("docker", "/run/user/1001/docker.sock", "docker.sock"),
        ("docker-rootful", "/run/docker.sock", "docker.sock"),
        ("podman", "/run/user/1001/podman/podman.sock", "podman.sock"),
        ("podman-rootful", "/run/podman/podman.sock", "podman.sock"),
        ("buildkit", "/run/user/1001/buildkit/buildkitd.sock", "buildkitd.sock"),
    ],
)
def test_an_engines_socket_is_forwarded(name: str, guest: str, here: str, tmp_path: Path) -> None:
    (rule,) = config_of(name, tmp_path).port_forwards
    assert (rule.guest_socket, rule.host_socket) == (guest, f"{DIR}/sock/{here}")


@pytest.mark.parametrize(
    ("name", "guest"),
    [("k3s", "/etc/rancher/k3s/k3s.yaml"), ("k8s", "/home/ann.guest/.kube/config")],
)
def test_a_kubeconfig_is_copied_to_the_host(name: str, guest: str, tmp_path: Path) -> None:
    (copy,) = config_of(name, tmp_path).copy_to_host
    assert (copy.guest, copy.host) == (guest, f"{DIR}/copied-from-guest/kubeconfig.yaml")
    assert copy.delete_on_stop


FAMILIES = ("almalinux", "centos-stream", "oraclelinux", "rocky")
OF_RED_HAT = [name for name in NAMES if name.startswith(FAMILIES)]


@pytest.mark.parametrize("name", OF_RED_HAT)
def test_kernels_without_9p_are_known(name: str, tmp_path: Path) -> None:
    assert "9p" in config_of(name, tmp_path).mount_types_unsupported


@pytest.mark.parametrize("name", OF_RED_HAT)
def test_version_10_is_given_the_cpu_that_it_is_built_for(name: str, tmp_path: Path) -> None:
    wanted = {} if name.endswith(("-8", "-9")) else {"x86_64": "max"}
    assert config_of(name, tmp_path).vm_opts.qemu.cpu_type == wanted


@pytest.mark.parametrize("name", OF_RED_HAT)
def test_images_that_need_bios_are_known(name: str, tmp_path: Path) -> None:
    wanted = name == "oraclelinux-8" or name.startswith("centos-stream")
    assert config_of(name, tmp_path).firmware.legacy_bios == wanted


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("almalinux", "almalinux-10"),
        ("centos-stream", "centos-stream-10"),
        ("debian", "debian-13"),
        ("default", "ubuntu-lts"),
        ("experimental/almalinux-kitten", "experimental/almalinux-kitten-10"),
        ("experimental/freebsd-current", "experimental/freebsd-16"),
        ("experimental/ubuntu-next", "experimental/ubuntu-26.10"),
        ("freebsd", "freebsd-15"),
        ("linuxbrew", "homebrew-linux"),
        ("macos", "macos-26"),
        ("opensuse", "opensuse-leap"),
        ("opensuse-leap", "opensuse-leap-16"),
        ("oraclelinux", "oraclelinux-10"),
        ("rocky", "rocky-10"),
        ("ubuntu", "ubuntu-lts"),
        ("ubuntu-lts", "ubuntu-26.04"),
        ("windows", "windows-11"),
    ],
)
def test_an_alias_means_the_newest(alias: str, name: str, tmp_path: Path) -> None:
    assert document_of(alias, tmp_path) == document_of(name, tmp_path)


@pytest.mark.parametrize("name", PARTS)
def test_a_base_is_yaml_with_something_in_it(name: str) -> None:
    path = PLACE / f"{name}.yaml"
    assert load(path.read_text(encoding="utf-8"), str(path))
