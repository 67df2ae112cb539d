# SPDX-License-Identifier: GPL-3.0-or-later
"""What each flag makes of a lima.yaml."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Line

from callao.cli.arguments.overrides import any_given, apply_flags
from callao.config import dump, load
from callao.errors import CallaoError

HERE = str(Path.cwd())


@pytest.mark.parametrize(
    ("before", "flags", "after"),
    [
        ({}, {"arch": "aarch64"}, {"arch": "aarch64"}),
        ({}, {"containerd": "user"}, {"containerd": {"user": True, "system": False}}),
        ({}, {"containerd": "user+system"}, {"containerd": {"user": True, "system": True}}),
        ({"containerd": {"user": True}}, {"containerd": "none"},
         {"containerd": {"user": False, "system": False}}),
        ({"cpus": 4}, {"cpus": 2}, {"cpus": 2}),
        ({}, {"memory": 2.0}, {"memory": "2GiB"}),
        ({}, {"memory": 0.5}, {"memory": 2**29}),
        ({}, {"memory": 1048577.0}, {"memory": "1048577GiB"}),
        ({"disk": "1GiB"}, {"disk": 100.0}, {"disk": "100GiB"}),
        ({}, {"dns": ("1.1.1.1",)}, {"dns": ["1.1.1.1"], "hostResolver": {"enabled": False}}),
        ({"dns": ["1.1.1.1"]}, {"dns": ("9.9.9.9", "1.1.1.1")},
         {"dns": ["1.1.1.1", "9.9.9.9"], "hostResolver": {"enabled": False}}),
        ({}, {"mount": ("/src:w", "~")}, {"mounts": [{"location": "/src", "writable": True},
         {"location": "~"}]}),
        ({"mounts": [{"location": "/src"}, {"location": "~"}]}, {"mount": ("/src:w",)},
         {"mounts": [{"location": "/src", "writable": True}, {"location": "~"}]}),
        ({}, {"mount": ("src",)}, {"mounts": [{"location": f"{HERE}/src"}]}),
        ({}, {"mount": (".:w",)}, {"mounts": [{"location": HERE, "writable": True}]}),
        ({}, {"mount": ("/a:b",)}, {"mounts": [{"location": "/a:b"}]}),
        ({}, {"mount": ("{{.Dir}}/x",)}, {"mounts": [{"location": "{{.Dir}}/x"}]}),
        ({"mounts": [{"location": "~"}]}, {"mount_only": ("/src",)}, {"mounts": [{"location": "/src"}]}),
        ({"mounts": [{"location": "~"}]}, {"mount_none": True}, {"mounts": []}),
        ({"mounts": [{"location": "~"}]}, {"mount_none": False}, {"mounts": [{"location": "~"}]}),
        ({"mounts": [{"location": "~"}]}, {"mount_writable": True},
         {"mounts": [{"location": "~", "writable": True}]}),
        ({}, {"mount": ("/a",), "mount_writable": True}, {"mounts": [{"location": "/a", "writable": True}]}),
        ({}, {"mount_inotify": True}, {"mountInotify": True}),
        ({}, {"mount_type": "virtiofs"}, {"mountType": "virtiofs"}),
        ({"networks": [{"lima": "user-v2"}]}, {"network": ("vzNAT", "lima:shared")},
         {"networks": [{"lima": "user-v2"}, {"vzNAT": True}, {"lima": "shared"}]}),
        ({"portForwards": [{"guestPort": 1}]}, {"port_forward": ("8080:80", "53:5353,static=true")},
         {"portForwards": [{"guestPort": 80, "hostPort": 8080},
             {"guestPort": 5353, "hostPort": 53, "static": True},
                           {"guestPort": 1}]}),
        ({}, {"port_forward": ("8080:80,static=false",)},
         {"portForwards": [{"guestPort": 80, "hostPort": 8080}]}),
        ({}, {"port_forward": (" 8080 : 80 , static=T", "1:2,static=0")},
         {"portForwards": [{"guestPort": 80, "hostPort": 8080, "static": True},
                           {"guestPort": 2, "hostPort": 1}]}),
        ({}, {"nested_virt": True}, {"nestedVirtualization": True}),
        ({}, {"rosetta": True}, {"vmOpts": {"vz": {"rosetta": {"enabled": True, "binfmt": True}}}}),
        ({"video": {"vnc": {"display": ":1"}}}, {"video": True},
         {"video": {"vnc": {"display": ":1"}, "display": "default"}}),
        ({}, {"video": False}, {"video": {"display": "none"}}),
        ({}, {"plain": True}, {"plain": True}),
        ({"plain": True}, {"plain": False}, {"plain": False}),
        ({"ssh": {"forwardAgent": True}}, {"ssh_port": 60022},
         {"ssh": {"forwardAgent": True, "localPort": 60022}}),
        ({}, {"ssh_port": 0}, {"ssh": {"localPort": 0}}),
        ({}, {"vm_type": "qemu"}, {"vmType": "qemu"}),
        ({"audio": {"interface": "hda"}}, {"audio_device": "pa"},
         {"audio": {"interface": "hda", "device": "pa"}}),
        ({}, {"audio_interface": "virtio"}, {"audio": {"interface": "virtio"}}),
        ({"user": {"name": "me"}}, {"user_shell": "/bin/zsh"},
         {"user": {"name": "me", "shell": "/bin/zsh"}}),
        ({"images": [{"location": "a"}, {"location": "b", "variant": "minimal"}]},
         {"image_variant": "minimal"},
         {"images": [{"location": "b", "variant": "minimal"}]}),
        ({"images": [{"location": "a", "archVariant": "v2"}, {"location": "b", "archVariant": "v3"}]},
         {"arch_variant": "v3"}, {"images": [{"location": "b", "archVariant": "v3"}]}),
        ({"param": {"A": "1", "B": "", "C": "3"}}, {"param": ("B=x=y", "A=2", "C=")},
         {"param": {"A": "2", "B": "x=y", "C": ""}}),
        ({"cpus": 1}, {"expressions": (".cpus += 1", '.env.A = "b"')}, {"cpus": 2, "env": {"A": "b"}}),
        ({}, {"cpus": 2, "expressions": (".cpus *= 2",)}, {"cpus": 4}),
        ({"mounts": [{"location": "~"}]}, {"expressions": ("del(.mounts)",)}, {}),
        ({"a": 1}, {"cpus": None, "dns": (), "expressions": ()}, {"a": 1}),
    ],
)  # fmt: skip
def test_a_flag_changes_what_it_names_and_the_original_stays(
    before: dict[str, Any], flags: dict[str, Any], after: dict[str, Any]
) -> None:
    original = copy.deepcopy(before)
    assert apply_flags(before, flags) == after
    assert before == original


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"memory": 0.0}, "--memory: 0 is no size (allowed: GiB above 0"),
        ({"memory": -1.0}, "--memory: -1 is no size"),
        ({"memory": float("nan")}, "--memory: nan is no size"),
        ({"disk": float("inf")}, "--disk: inf is no size"),
        ({"disk": 1e300}, "--disk: 1e+300 is no size"),
        ({"network": ("bridged",)}, "--network: 'bridged' is not known (allowed: lima:NAME, vzNAT)."),
        ({"network": ("lima:",)}, "--network: 'lima:' is not known"),
        ({"port_forward": ("8080",)},
         "--port-forward: '8080' is no rule (allowed: HOST:GUEST[,static=true]"),
        ({"port_forward": ("a:b",)}, "'a:b' is no rule"),
        ({"port_forward": ("1:2:3",)}, "'1:2:3' is no rule"),
        ({"port_forward": ("²:2",)}, "'²:2' is no rule"),
        ({"port_forward": ("0:80",)}, "ports 1 to 65535"),
        ({"port_forward": ("80:65536",)}, "ports 1 to 65535"),
        ({"port_forward": ("1:2,static=no",)}, "'1:2,static=no' is no rule"),
        ({"param": ("A",)}, "--param: 'A' is no parameter (allowed: KEY=VALUE)."),
        ({"param": ("=a",)}, "--param: '=a' is no parameter"),
        ({"param": ("A=b",)}, "--param: the template does not define 'A' (defined: none)."),
        ({"image_variant": "x"},
         "--image-variant: no image of the template has variant 'x' (existing: none)."),
        ({"arch_variant": ""}, "--arch-variant: no image of the template has archVariant ''"),
        ({"mount": (":w",)}, "--mount: ':w' is no directory (allowed: DIR[:w])."),
        ({"mount": ("",)}, "--mount: '' is no directory"),
        ({"mount": ("/a",), "mount_none": True}, "--mount-none and --mount exclude each other."),
        ({"mount_only": ("/a",), "mount": ("/b",)}, "--mount and --mount-only exclude each other."),
        ({"mount_only": ("/a",), "mount_none": True}, "--mount-none and --mount-only exclude each other."),
        ({"expressions": (".cpus = ",)}, "--set: '.cpus = ': jq:"),
        ({"expressions": (".cpus",)}, "--set: '.cpus': its result is not one mapping"),
        ({"expressions": ("empty",)}, "its result is not one mapping"),
        ({"expressions": (".cpus.x = 1",)}, "--set: '.cpus.x = 1': jq:"),
        ({"expressions": ("., .",)}, "its result is not one mapping"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named_with_what_can(flags: dict[str, Any], words: str) -> None:
    with pytest.raises(CallaoError) as caught:
        apply_flags({"cpus": 2}, flags)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("document", "flags", "words"),
    [
        ({"ssh": "x"}, {"ssh_port": 1}, "ssh: 'x': is not a mapping"),
        ({"mounts": "x"}, {"mount": ("/a",)}, "mounts: 'x': is not a list"),
        ({"mounts": {"a": 1}}, {"mount_writable": True}, "mounts: {'a': 1}: is not a list"),
        ({"dns": "1.1.1.1"}, {"dns": ("9.9.9.9",)}, "dns: '1.1.1.1': is not a list"),
        ({"vmOpts": {"vz": 3}}, {"rosetta": True}, "vz: 3: is not a mapping"),
        ({"param": [1]}, {"param": ("A=b",)}, "param: [1]: is not a mapping"),
    ],
)
def test_a_template_of_another_shape_is_told_too(
    document: dict[str, Any], flags: dict[str, Any], words: str
) -> None:
    with pytest.raises(CallaoError) as caught:
        apply_flags(document, flags)
    assert words in str(caught.value)


def test_values_of_a_list_may_have_commas_between_them(callao: Line, box: Any, tmp_path: Path) -> None:
    for name in ("a", "b,c", "d"):
        (tmp_path / name).mkdir()
    mounts = f'{tmp_path}/a:w,"{tmp_path}/b,c"'
    flags = [
        "--mount",
        mounts,
        "--mount",
        f"{tmp_path}/d",
        "--dns=1.1.1.1, 9.9.9.9",
        "--network=lima:user-v2",
    ]
    done = callao("create", "--name", "web", *flags, str(box()))
    assert done.status == 0, done.err
    document = load((callao.home / "web" / "lima.yaml").read_text(), "it")
    assert document["mounts"] == [
        {"location": f"{tmp_path}/a", "writable": True},
        {"location": f"{tmp_path}/b,c"},
        {"location": f"{tmp_path}/d"},
    ]
    assert document["dns"] == ["1.1.1.1", "9.9.9.9"]


def test_a_list_that_is_no_csv_is_refused(callao: Line, box: Any) -> None:
    done = callao("create", "--name", "web", "--mount", "/a\nb", str(box()))
    assert (done.status, callao.names()) == (1, [])
    assert "Invalid value for '--mount': '/a\\nb' cannot be read as values with commas" in done.err


def test_entries_that_are_no_mappings_are_left_to_validation() -> None:
    after = apply_flags({"mounts": ["/x"]}, {"mount": ("/a",), "mount_writable": True})
    assert after["mounts"] == [{"location": "/a", "writable": True}, "/x"]


def test_flags_that_say_nothing_change_nothing() -> None:
    assert not any_given({"cpus": None, "dns": (), "plain": None})
    assert any_given({"plain": False})
    assert any_given({"ssh_port": 0})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--cpus", "-1"], "cpus: -1"),
        (["--arch", "z80"], "arch: 'z80'"),
        (["--dns", "nowhere"], "dns[0]: 'nowhere'"),
        (["--mount-type", "smb"], "mountType: 'smb'"),
        (["--vm-type", "xen"], "vmType: 'xen'"),
        (["--ssh-port", "99999"], "ssh.localPort: 99999"),
        (["--param", "1A=b"], "--param: the template does not define '1A' (defined: none)."),
        (["--set", '.cpus = "many"'], "cpus: 'many'"),
        (["--memory", "x"], "'--memory': 'x' is not a valid float"),
        (["--network", "lima:nowhere"], "networks[0]"),
    ],
)
def test_a_bad_value_leaves_the_instance_as_it_was(callao: Line, flags: list[str], words: str) -> None:
    text = callao.write("web").lima_yaml.read_bytes()
    done = callao("edit", "web", *flags)
    assert (done.status, done.out) == (1, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert (callao.home / "web" / "lima.yaml").read_bytes() == text


def test_flags_of_create_go_into_lima_yaml(callao: Line, box: Any) -> None:
    flags = ["--cpus", "2", "--memory", "1.5", "--plain", "--param", "A=b", "--set", '.param.B = "$PARAM_A"']
    template = box(param={"A": "a"}, provision=[{"script": "#!/bin/sh\necho $PARAM_A $PARAM_B\n"}])
    done = callao("create", "--name", "web", str(template), *flags)
    assert done.status == 0, done.err
    written = load((callao.home / "web" / "lima.yaml").read_text(), "it")
    assert written["cpus"] == 2
    assert written["memory"] == 3 * 2**29
    assert written["plain"] is True
    assert written["param"] == {"A": "b", "B": "$PARAM_A"}
    assert dump(written)
