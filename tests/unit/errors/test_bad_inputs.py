# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input of every kind: one clear message, and nothing touched.

Each case names the words that the message must contain: the option or the field, the value, and
what is allowed or what to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module

Case = tuple[str, dict[str, Any], list[str]]


def box(config: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Arguments for an instance that nothing else is wrong with."""
    image = {"images": [{"location": "/nonexistent/image.qcow2"}]}
    return {"name": "web", "template": "debian-12", "config": {**image, **(config or {})}, **options}


def conf(**config: Any) -> dict[str, Any]:
    return box(config)


SCRIPT = "#!/bin/sh\ntrue\n"

CASES: list[Case] = [
    # names
    ("empty name", box(name=""), ["name", "''"]),
    ("name with a slash", box(name="a/b"), ["name", "'a/b'"]),
    ("name that climbs", box(name="../web"), ["name", "'../web'"]),
    ("name with a leading underscore", box(name="_web"), ["name", "'_web'"]),
    ("name with a leading dot", box(name=".web"), ["name", "'.web'"]),
    ("name with a trailing dash", box(name="web-"), ["name", "'web-'"]),
    ("name with a space", box(name="my box"), ["name", "'my box'"]),
    ("name with a newline", box(name="web\nx"), ["name"]),
    ("name that is too long for a socket", box(name="w" * 100), ["name", "long"]),
    ("name that is an option", box(name="-rf"), ["name", "'-rf'"]),
    # module options
    ("unknown state", box(state="paused"), ["state", "paused", "started"]),
    ("unknown restart policy", box(restart="maybe"), ["restart", "maybe", "auto"]),
    ("restarted without leave to", box(state="restarted", restart="never"), ["restart", "never", "auto"]),
    ("unknown option", box(memroy="1GiB"), ["memroy"]),
    ("unknown arch option", box(arch="sparc"), ["arch", "sparc", "x86_64"]),
    ("unknown vm_type option", box(vm_type="xen"), ["vm_type", "xen", "qemu"]),
    ("timeout that is no number", box(timeout="soon"), ["timeout", "float"]),
    ("timeout below zero", box(timeout=-5), ["timeout", "-5"]),
    ("mounts that are no list", box(mounts={"location": "/x"}), ["mounts"]),
    ("labels that are no dictionary", box(labels=["a"]), ["labels"]),
    # templates
    ("unknown template", box(template="debian-99"), ["debian-99", "debian-12"]),
    ("template file that is missing", box(template="/nonexistent/t.yaml"), ["/nonexistent/t.yaml"]),
    ("template that cannot be fetched here", box(template="ftp://x/t.yaml"), ["ftp://x/t.yaml"]),
    # unknown keys
    ("misspelt key", conf(cpu=2), ["cpu", "cpus"]),
    ("misspelt nested key", conf(ssh={"localport": 1}), ["ssh.localport", "localPort"]),
    ("misspelt key in a list", conf(mounts=[{"locaton": "/x"}]), ["mounts[0].locaton", "location"]),
    # wrong types
    ("cpus as a word", conf(cpus="two"), ["cpus", "two"]),
    ("cpus as a list", conf(cpus=[2]), ["cpus"]),
    ("plain as a word", conf(plain="perhaps"), ["plain", "perhaps"]),
    ("mounts as a string", conf(mounts="/x"), ["mounts", "/x"]),
    ("env with a list", conf(env={"A": ["b"]}), ["env.A"]),
    ("images as a string", conf(images="/x.qcow2"), ["images"]),
    # numbers and sizes
    ("too many cpus", box(cpus=5000), ["cpus", "5000"]),
    ("negative cpus", box(cpus=-1), ["cpus", "-1"]),
    ("memory in parsecs", box(memory="4 parsecs"), ["memory", "4 parsecs", "GiB"]),
    ("memory of nothing", box(memory="0"), ["memory"]),
    ("negative disk", box(disk="-10GiB"), ["disk", "-10GiB"]),
    ("msize too small", conf(mounts=[{"location": "/tmp", "9p": {"msize": "1KiB"}}]), ["msize", "4KiB"]),
    # sets
    ("unknown vmType", conf(vmType="vmware"), ["vmType", "vmware", "qemu"]),
    ("vmType of another system", conf(vmType="vz"), ["vmType", "vz"]),
    ("unknown arch", conf(arch="m68k"), ["arch", "m68k", "x86_64"]),
    ("unknown mountType", conf(mountType="nfs"), ["mountType", "nfs", "reverse-sshfs"]),
    ("unknown os", conf(os="Plan9"), ["os", "Plan9", "Linux"]),
    ("unknown provision mode", conf(provision=[{"mode": "root", "script": SCRIPT}]), ["mode", "root"]),
    ("unknown protocol", conf(portForwards=[{"guestPort": 80, "proto": "sctp"}]), ["proto", "sctp", "tcp"]),
    # mounts
    ("relative mount", conf(mounts=[{"location": "src"}]), ["mounts[0].location", "src", "absolute"]),
    ("mount over /etc", conf(mounts=[{"location": "/tmp", "mountPoint": "/etc"}]), ["mountPoint", "/etc"]),
    ("mount over /", conf(mounts=[{"location": "/tmp", "mountPoint": "/"}]), ["mountPoint", "'/'"]),
    # ports
    ("port 65536", conf(portForwards=[{"guestPort": 65536}]), ["guestPort", "65536", "65535"]),
    ("port 70000", conf(portForwards=[{"guestPort": 80, "hostPort": 70000}]), ["hostPort", "70000"]),
    ("range backwards", conf(portForwards=[{"guestPortRange": [90, 80]}]), ["guestPortRange", "90"]),
    (
        "ranges of different lengths",
        conf(portForwards=[{"guestPortRange": [80, 90], "hostPortRange": [8080, 8081]}]),
        ["PortRange", "length"],
    ),
    ("bad guest address", conf(portForwards=[{"guestIP": "nowhere", "guestPort": 80}]), ["guestIP"]),
    # networks
    ("network of two kinds", conf(networks=[{"lima": "a", "socket": "/x"}]), ["networks[0]", "one"]),
    ("network of macOS", conf(networks=[{"vzNAT": True}]), ["networks[0]", "vzNAT"]),
    ("bad MAC", conf(networks=[{"socket": "/x", "macAddress": "zz"}]), ["macAddress", "zz"]),
    ("interface name too long", conf(networks=[{"socket": "/x", "interface": "n" * 20}]), ["interface"]),
    # provision and probes
    ("provision without a script", conf(provision=[{"mode": "user"}]), ["provision[0].script", "missing"]),
    ("data without a path", conf(provision=[{"mode": "data", "content": "x"}]), ["provision[0]", "path"]),
    ("bad permissions", conf(provision=[{"mode": "data", "path": "/x", "content": "", "permissions": "rw"}]),
     ["permissions", "rw", "octal"]),
    ("probe without #!", conf(probes=[{"script": "true"}]), ["probes[0].script", "#!"]),
    # users, parameters, certificates
    ("unknown parameter in a script", conf(mounts=[{"location": "{{.Param.nope}}"}]), ["Param.nope"]),
    ("parameter that nothing uses", conf(param={"unused": "x"}), ["param.unused"]),
    ("missing certificate", conf(caCerts={"files": ["/no.pem"]}), ["caCerts", "/no.pem"]),
    ("bad user name", conf(user={"name": "Not A Name"}), ["user.name", "Not A Name"]),
    # resolver and firmware
    ("dns beside the host's resolver", conf(dns=["1.1.1.1"]), ["dns", "hostResolver"]),
    ("CPU without an arch", conf(cpuType=["x"]), ["cpuType", "mapping"]),
    # images
    ("image that is missing", conf(), ["/nonexistent/image.qcow2"]),
    ("unknown digest", conf(images=[{"location": "/x", "digest": "md5:1"}]), ["digest", "md5", "sha256"]),
    ("kernel of another arch", conf(images=[{"location": "/x", "arch": "x86_64",
     "kernel": {"location": "/k", "arch": "aarch64"}}]), ["kernel", "aarch64"]),
    # versions
    ("a Lima of the future", conf(minimumLimaVersion="99.0.0"), ["minimumLimaVersion", "99.0.0"]),
]  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bad-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def touched(home: Path) -> list[str]:
    """What a refused request left; the lock file and an empty cache are no instance."""
    kept = {"_locks", "_cache"}
    return sorted(path.name for path in home.iterdir() if path.name not in kept)


def refused(home: Path, arguments: dict[str, Any], words: list[str]) -> str:
    result = run_module("instance", arguments, home)
    message = str(result.get("msg", ""))
    assert result.get("failed") is True, result
    assert [word for word in words if word not in message] == [], message
    assert "Traceback" not in message + result["stderr"]
    assert "exception" not in result
    return message


@pytest.mark.parametrize(
    ("arguments", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bad_input_is_refused_in_one_sentence_and_nothing_is_touched(
    home: Path, arguments: dict[str, Any], words: list[str]
) -> None:
    refused(home, arguments, words)
    assert touched(home) == []


def test_all_problems_are_told_at_once(home: Path) -> None:
    message = refused(home, conf(cpus=-1, memory="x", vmType="vmware", mountz=[]), ["cpus", "memory"])
    assert "vmType" in message
    assert "mountz" in message


def test_a_relative_lima_home_is_refused(home: Path) -> None:
    result = run_module("instance", box(), home, LIMA_HOME="relative/home")
    assert "LIMA_HOME" in result["msg"]
    assert "'relative/home'" in result["msg"]


def make_image(home: Path) -> tuple[Path, str]:
    """A disk image that is one, and its digest."""
    path = home.with_name(home.name + "-image.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def disk(home: Path) -> Iterator[tuple[Path, str]]:
    path, digest = make_image(home)
    yield path, digest
    path.unlink()


def made(home: Path, image: tuple[Path, str], **options: Any) -> dict[str, Any]:
    """Arguments of an instance that can be made, and is, without being started."""
    arguments = {
        "name": "web",
        "state": "present",
        "config": {"images": [{"location": str(image[0])}]},
        **options,
    }
    result = run_module("instance", arguments, home)
    assert result.get("changed") is True, result
    return arguments


def test_a_wrong_digest_names_both_and_leaves_nothing(home: Path, disk: tuple[Path, str]) -> None:
    path, digest = disk
    wrong = "sha256:" + "0" * 64
    arguments = box(config={"images": [{"location": str(path), "digest": wrong}]})
    refused(home, arguments, [wrong[:20], digest[:12]])
    assert touched(home) == []


def test_a_file_that_is_no_image_says_what_it_is(home: Path) -> None:
    page = home.with_name(home.name + ".html")
    page.write_text("<!DOCTYPE html><html>404</html>")
    try:
        refused(home, box(config={"images": [{"location": str(page)}]}), [str(page)])
    finally:
        page.unlink()
    assert touched(home) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"disk": "1GiB"}, ["disk", "cannot shrink", "recreate"]),
        ({"arch": "aarch64"}, ["arch", "aarch64", "cannot change"]),
        ({"vm_type": "vz"}, ["vmType", "vz"]),
        ({"user": {"name": "bob"}}, ["user.name", "bob", "recreate"]),
    ],
    ids=["disk", "arch", "vm_type", "user"],
)
def test_a_change_that_can_never_be_is_refused(
    home: Path, disk: tuple[Path, str], options: dict[str, Any], words: list[str]
) -> None:
    arguments = made(home, disk, disk="10GiB")
    before = (home / "web" / "lima.yaml").read_bytes()
    refused(home, {**arguments, **options}, words)
    assert (home / "web" / "lima.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cpus: [1", ["lima.yaml", "line"]),
        ("- just\n- a list\n", ["lima.yaml"]),
        ("\x00\x01", ["lima.yaml"]),
        ("cpus: -1\n", ["cpus", "-1"]),
        ("cpus: 1\ncpus: 2\n", ["cpus"]),
        ("", ["images"]),
    ],
    ids=["torn", "list", "binary", "invalid", "twice", "empty"],
)
def test_a_corrupt_lima_yaml_says_how_to_go_on_and_can_be_deleted(
    home: Path, disk: tuple[Path, str], text: str, words: list[str]
) -> None:
    arguments = made(home, disk)
    (home / "web" / "lima.yaml").write_text(text)
    refused(home, {"name": "web"}, [*words, "recreate: true", "state: absent"])
    assert run_module("instance", {"name": "web", "state": "absent"}, home)["changed"] is True
    assert touched(home) == ["_config"]
    made(home, disk)
    assert run_module("instance", arguments, home)["changed"] is False


def test_a_missing_lima_yaml_can_be_replaced(home: Path, disk: tuple[Path, str]) -> None:
    arguments = made(home, disk)
    (home / "web" / "lima.yaml").unlink()
    refused(home, arguments, ["lima.yaml", "recreate: true"])
    assert run_module("instance", {**arguments, "recreate": True}, home)["changed"] is True


def test_a_protected_instance_says_how_to_unprotect_it(home: Path, disk: tuple[Path, str]) -> None:
    made(home, disk)
    (home / "web" / "protected").touch()
    refused(home, {"name": "web", "state": "absent"}, ["is protected against deletion", "protected: false"])
    assert (home / "web" / "lima.yaml").exists()


@pytest.mark.parametrize("name", ["ha.pid", "qemu.pid"])
@pytest.mark.parametrize("pid", ["1", "garbage", "4194304"])
def test_a_stale_pid_file_is_not_believed(home: Path, disk: tuple[Path, str], name: str, pid: str) -> None:
    arguments = made(home, disk)
    path = home / "web" / name
    path.write_text(pid)
    os.utime(path, (1, 1))
    result = run_module("instance_info", {"name": "web"}, home)
    assert result["instances"][0]["status"] == "Stopped"
    assert run_module("instance", {**arguments, "state": "stopped"}, home)["changed"] is False


def test_a_taken_host_port_is_refused_before_the_machine_starts(home: Path, disk: tuple[Path, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rule = {"guestPort": 80, "hostPort": port, "proto": "tcp"}
        arguments = made(home, disk, port_forwards=[rule])
        refused(
            home,
            {**arguments, "state": "started"},
            ["portForwards", str(port), "taken", f"pid {os.getpid()}"],
        )
    assert run_module("instance_info", {"name": "web"}, home)["instances"][0]["status"] == "Stopped"


def test_a_taken_ssh_port_is_refused_before_the_machine_starts(home: Path, disk: tuple[Path, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = made(home, disk, ssh={"localPort": port})
        refused(home, {**arguments, "state": "started"}, ["ssh.localPort", str(port), "taken"])


def test_a_run_beside_another_one_waits_no_longer_than_its_timeout(
    home: Path, disk: tuple[Path, str]
) -> None:
    from callao.instances.lock import instance_lock

    with instance_lock("web", home, 5):
        arguments = {"name": "web", "state": "present", "config": {"images": [{"location": str(disk[0])}]}}
        refused(home, {**arguments, "timeout": 1}, ["web", "another run", "timeout"])
    assert run_module("instance", arguments, home)["changed"] is True


def test_two_runs_at_once_make_it_once(home: Path, disk: tuple[Path, str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    arguments = {"name": "web", "state": "present", "config": {"images": [{"location": str(disk[0])}]}}
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: run_module("instance", arguments, home), range(2)))
    assert [result.get("failed") for result in results] in ([None, None], [False, False])
    assert sorted(result["changed"] for result in results) == [False, True]


@pytest.mark.skipif(os.getuid() != 0, reason="a disk of its own needs root: a small tmpfs is mounted")
def test_a_full_disk_is_named_and_leaves_nothing(disk: tuple[Path, str]) -> None:
    """In a mount namespace of its own, so that the tmpfs is gone with the process."""
    script = """
import json, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.modules import run_module
home = Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(home)], check=True)
arguments = {"name": "web", "state": "present", "config": {"images": [{"location": sys.argv[3]}]}}
result = run_module("instance", arguments, home)
print(json.dumps([result, sorted(path.name for path in home.iterdir() if "web" in path.name)]))
"""
    import json
    import sys

    with tempfile.TemporaryDirectory(prefix="full-", dir="/tmp") as folder:
        tests = str(Path(__file__).parents[2])
        argv = ["unshare", "-m", sys.executable, "-c", script, tests, folder, str(disk[0])]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        result, left = json.loads(done.stdout)
    assert result["failed"] is True
    assert "space" in result["msg"], result["msg"]
    assert folder in result["msg"]
    assert "Traceback" not in json.dumps(result)
    assert left == []


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="needs another user to be")
def test_a_home_that_cannot_be_written_is_named(disk: tuple[Path, str]) -> None:
    import json
    import sys

    with tempfile.TemporaryDirectory(prefix="ro-", dir="/tmp") as folder:
        Path(folder).chmod(
            stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
        )
        code = (
            "import json, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); "
            "from support.modules import run_module; "
            "print(json.dumps(run_module('instance', {'name': 'web', 'state': 'present', 'config': "
            "{'images': [{'location': sys.argv[3]}]}}, Path(sys.argv[2]))))"
        )
        argv = [sys.executable, "-c", code, str(Path(__file__).parents[2]), folder, str(disk[0])]
        if os.getuid() == 0:
            argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", *argv]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout) if done.returncode == 0 else {}
    assert result.get("failed") is True, done.stderr
    assert folder in result["msg"]
