# SPDX-License-Identifier: GPL-3.0-or-later
"""One row a rule: a document that breaks it, the place that is named, and a neighbour that is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, effective, to_document
from callao.config.coercion import coerce
from callao.errors import ConfigError
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
SCRIPT = "#!/bin/sh\ntrue\n"
HEX = "0123456789abcdef" * 4
DATA = {"mode": "data", "path": "/x", "content": ""}
YQ = {"mode": "yq", "path": "/x", "expression": "."}


def config(document: dict[str, Any]) -> Config:
    whole = {"images": [{"location": "/img.qcow2"}], **document}
    return effective(whole, HOST, name="web", instance_dir=Path("/home/ann/.lima/web"))


def mount(**fields: Any) -> dict[str, Any]:
    return {"mounts": [{"location": "/x", **fields}]}


def provision(**fields: Any) -> dict[str, Any]:
    return {"provision": [{"script": SCRIPT, **fields}]}


def data(**fields: Any) -> dict[str, Any]:
    return {"provision": [{**DATA, **fields}]}


def yq(**fields: Any) -> dict[str, Any]:
    return {"provision": [{**YQ, **fields}]}


def probe(**fields: Any) -> dict[str, Any]:
    return {"probes": [fields]}


def forward(**fields: Any) -> dict[str, Any]:
    return {"portForwards": [fields]}


def disk(entry: Any) -> dict[str, Any]:
    return {"additionalDisks": [entry]}


def net(**fields: Any) -> dict[str, Any]:
    return {"networks": [{"socket": "/s", **fields}]}


def copy(**fields: Any) -> dict[str, Any]:
    return {"copyToHost": [fields]}


RULES: list[tuple[dict[str, Any], str, str, dict[str, Any]]] = [
    # sets
    (mount(sshfs={"sftpDriver": "x"}), "mounts[0].sshfs.sftpDriver", "builtin, openssh-sftp-server",
     mount(sshfs={"sftpDriver": "builtin"})),
    (mount(**{"9p": {"securityModel": "x"}}), "mounts[0].9p.securityModel",
     "passthrough, mapped-xattr, mapped-file, none", mount(**{"9p": {"securityModel": "mapped-file"}})),
    (mount(**{"9p": {"protocolVersion": "9p"}}), "mounts[0].9p.protocolVersion",
     "9p2000, 9p2000.u, 9p2000.L", mount(**{"9p": {"protocolVersion": "9p2000.u"}})),
    (mount(**{"9p": {"cache": "x"}}), "mounts[0].9p.cache", "none, readahead, mmap, loose, fscache",
     mount(**{"9p": {"cache": "loose"}})),
    (mount(**{"9p": {"msize": "4095"}}), "mounts[0].9p.msize", "at least 4KiB",
     mount(**{"9p": {"msize": "4KiB"}})),
    ({"audio": {"interface": "ac97"}}, "audio.interface", "hda, virtio", {"audio": {"interface": "hda"}}),
    ({"vmType": "vz", "vmOpts": {"vz": {"diskImageFormat": "qcow2"}}}, "vmOpts.vz.diskImageFormat",
     "raw, asif", {"vmType": "vz", "vmOpts": {"vz": {"diskImageFormat": "asif"}}}),
    (probe(script=SCRIPT, mode="liveness"), "probes[0].mode", "readiness",
     probe(script=SCRIPT, mode="readiness")),
    (forward(guestPort=80, proto="sctp"), "portForwards[0].proto", "tcp, udp, any",
     forward(guestPort=80, proto="udp")),
    ({"os": "linux"}, "os", "Linux, Darwin, FreeBSD, Windows", {"os": "FreeBSD"}),
    ({"images": [{"location": "/x", "arch": "default"}]}, "images[0].arch", "x86_64, aarch64",
     {"images": [{"location": "/x", "arch": "s390x"}]}),
    # numbers and sizes
    ({"cpus": -1}, "cpus", "1 to 4096", {"cpus": 1}),
    ({"user": {"uid": -1}}, "user.uid", "0 to 4294967294", {"user": {"uid": 501}}),
    (net(metric=-1), "networks[0].metric", "0 to 4294967295", net(metric=0)),
    (mount(virtiofs={"queueSize": -1}), "mounts[0].virtiofs.queueSize", "1 to 32768",
     mount(virtiofs={"queueSize": 1024})),
    ({"memory": "8EiB"}, "memory", "a size such as", {"memory": "1TiB"}),
    ({"disk": "9" * 400 + "PiB"}, "disk", "a size such as", {"disk": "9PiB"}),
    # base and the old place of rosetta
    ({"base": "template:debian"}, "base", "resolved before", {"base": []}),
    ({"rosetta": {"enabled": "true"}}, "rosetta.enabled", "true or false", {"rosetta": {"enabled": True}}),
    # versions
    ({"minimumLimaVersion": "newest"}, "minimumLimaVersion", "such as 2.0.0",
     {"minimumLimaVersion": "v1.0.0"}),
    ({"minimumLimaVersion": "99.0.0"}, "minimumLimaVersion", "at most",
     {"minimumLimaVersion": "1.0.0-rc.1"}),
    ({"vmOpts": {"qemu": {"minimumVersion": "x"}}}, "vmOpts.qemu.minimumVersion", "such as 2.0.0",
     {"vmOpts": {"qemu": {"minimumVersion": "8.2.1"}}}),
    # what is fetched
    ({"images": [{"location": "~ann/disk.img"}]}, "images[0].location", "below ~",
     {"images": [{"location": "~/disk.img"}]}),
    ({"images": [{"location": "/d", "kernel": {"location": "~a"}}]}, "images[0].kernel.location", "below ~",
     {"images": [{"location": "/d", "kernel": {"location": "~"}}]}),
    ({"firmware": {"images": [{"vmType": "qemu"}]}}, "firmware.images[0].location", "a URL or a path",
     {"firmware": {"images": [{"location": "/f", "vmType": "qemu", "digest": f"sha256:{HEX}"}]}}),
    ({"containerd": {"user": True, "archives": [{"location": "/a", "digest": "md5:0"}]}},
     "containerd.archives[0].digest", "sha512:",
     {"containerd": {"user": True, "archives": [{"location": "/a", "digest": f"sha384:{HEX[:32] * 3}"}]}}),
    ({"os": "Windows", "osOpts": {"Windows": {"virtioWin": [{}]}}}, "osOpts.Windows.virtioWin[0].location",
     "a URL or a path", {"osOpts": {"Windows": {"virtioWin": [{}]}}, "tpm": True}),
    ({"tpm": True, "arch": "s390x"}, "tpm", "x86_64", {"tpm": True, "arch": "aarch64"}),
    ({"os": "Windows", "arch": "riscv64"}, "arch", "x86_64", {"os": "Windows", "arch": "aarch64"}),
    ({"os": "Windows", "vmType": "vz"}, "vmType", "qemu", {"os": "Windows"}),
    ({"os": "Windows", "user": {"shell": "/bin/sh"}}, "user.shell", "cmd.exe",
     {"os": "Windows", "user": {"shell": "C:\\x\\PWSH.exe"}}),
    ({"os": "Darwin", "user": {"passwordlessSudo": True}}, "user.passwordlessSudo", "false",
     {"os": "Darwin"}),
    ({"tpm": "yes"}, "tpm", "true or false", {"tpm": True}),
    ({"images": [{"location": "/x", "arch": "x86_64", "kernel": {"location": "/k", "arch": "s390x"}}]},
     "images[0].kernel.arch", "x86_64",
     {"images": [{"location": "/x", "arch": "x86_64", "kernel": {"location": "/k", "arch": "x86_64"}}]}),
    # disks
    (disk("a b"), "additionalDisks[0].name", "letters and digits", disk("data.1")),
    (disk({"name": "data", "fsType": "ext4; rm"}), "additionalDisks[0].fsType", "such as ext4",
     disk({"name": "data", "fsType": "xfs", "fsArgs": ["-i", "size=512"]})),
    # mounts
    (mount(location="src"), "mounts[0].location", "below ~", mount(location="~/src")),
    (mount(location="/dev/null"), "mounts[0].location", "a directory", mount(location="/dev/null/x")),
    (mount(location="~ann"), "mounts[0].location", "below ~", mount(location="~")),
    (mount(mountPoint="~/src"), "mounts[0].mountPoint", "an absolute path", mount(mountPoint="/srv")),
    (mount(mountPoint="/usr/../etc//"), "mounts[0].mountPoint", "below it", mount(mountPoint="/etc/x")),
    (mount(mountPoint="//"), "mounts[0].mountPoint", "below it", mount(mountPoint="/srv//x")),
    (mount(mountPoint="{{.Home}}"), "mounts[0].mountPoint", "below it", mount(mountPoint="{{.Home}}/x")),
    # provision
    ({"provision": [{"script": ""}]}, "provision[0].script", "a script, or a file", provision()),
    (provision(skipDefaultDependencyResolution=True), "provision[0].skipDefaultDependencyResolution",
     "mode dependency", provision(mode="dependency", skipDefaultDependencyResolution=False)),
    (provision(path="/x"), "provision[0].path", "mode data or yq", yq(path="/y")),
    (provision(content=""), "provision[0].content", "mode data or yq", yq(content="x")),
    (provision(owner="ann"), "provision[0].owner", "mode data or yq", yq(owner="ann:{{.User}}")),
    (provision(permissions="644"), "provision[0].permissions", "mode data or yq", data(permissions="0644")),
    (provision(overwrite=True), "provision[0].overwrite", "mode data or yq", data(overwrite=False)),
    (yq(expression=None), "provision[0].expression", "an expression", yq(expression="")),
    (provision(format="yaml"), "provision[0].format", "mode data or yq", yq(format="json")),
    (provision(playbook="p.yml"), "provision[0].playbook", "mode ansible", provision(playbook="")),
    ({"provision": [{"mode": "ansible", "playbook": "/nosuch.yml"}]}, "provision[0].playbook", "existing",
     {"provision": [{"mode": "ansible", "playbook": __file__}]}),
    ({"provision": [{"mode": "ansible"}]}, "provision[0].playbook", "a playbook", provision()),
    (data(permissions="u=rw"), "provision[0].permissions", "octal", data(permissions="4")),
    (data(permissions="77777"), "provision[0].permissions", "octal", data(permissions="04755")),
    (data(permissions=644), "provision[0].permissions", "in quotes", data(permissions=None)),
    (provision(file="x.sh"), "provision[0].file", "one of them", {"provision": [{"file": "x.sh"}]}),
    ({"provision": [{"file": {"digest": f"sha256:{HEX}"}}]}, "provision[0].file.url", "a URL or a path",
     {"provision": [{"file": {"url": "x.sh", "digest": f"sha256:{HEX}"}}]}),
    ({"provision": [{"file": {"url": "x.sh", "digest": "x"}}]}, "provision[0].file.digest", "sha256:",
     {"provision": [{"mode": "user", "file": "x.sh"}]}),
    ({"provision": [{**DATA, "content": None, "file": "x"}]}, "provision[0].file", "file in a template",
     data()),
    # probes
    (probe(), "probes[0].script", "starts with #!, or a file", probe(script=SCRIPT)),
    (probe(script="true"), "probes[0].script", "starts with #!", probe(script=SCRIPT, hint="wait")),
    (probe(file="x.sh"), "probes[0].file", "file in a template", probe(script=SCRIPT, file=None)),
    # ports
    (forward(guestPort=80, guestPortRange=[81, 82]), "portForwards[0].guestPort", "81",
     forward(guestPort=80, guestPortRange=[80, 82])),
    (forward(guestPort=80, hostPort=80, hostPortRange=[81, 81]), "portForwards[0].hostPort", "81",
     forward(guestPort=80, hostPort=80, hostPortRange=[80, 80])),
    (forward(guestPort=80, hostPort=22), "portForwards[0].hostPort", "another port",
     forward(guestPort=80, hostPort=23)),
    (forward(guestPortRange=[20, 22]), "portForwards[0].guestPortRange", "another port",
     forward(guestPortRange=[20, 21])),
    (forward(guestPort=22), "portForwards[0].guestPort", "ssh.localPort",
     forward(guestPort=22, ignore=True)),
    ({"ssh": {"localPort": 22}}, "ssh.localPort", "another port", {"ssh": {"localPort": 0}}),
    (forward(guestPortRange=[1, 65536]), "portForwards[0].guestPortRange", "1 to 65535",
     forward(guestPortRange=[1, 65535])),
    (forward(guestPortRange=[80, 81], hostPort=8080), "portForwards[0].hostPortRange", "equal",
     forward(guestPortRange=[80, 81], hostPortRange=[8080, 8081])),
    (forward(guestIPMustBeZero=True, guestIP="127.0.0.1"), "portForwards[0].guestIPMustBeZero", "0.0.0.0",
     forward(guestIPMustBeZero=True)),
    # sockets
    (forward(guestSocket="/a"), "portForwards[0].guestSocket", "hostPort or a hostSocket",
     forward(guestSocket="/a", hostPort=80)),
    (forward(hostSocket="a"), "portForwards[0].hostSocket", "guestPort or a guestSocket",
     forward(hostSocket="a", guestPort=80)),
    (forward(guestSocket="/a", hostSocket="b", guestPort=80), "portForwards[0].guestPort", "one of them",
     forward(guestSocket="/a", hostSocket="b")),
    (forward(guestSocket="/a", hostSocket="b", hostPort=80), "portForwards[0].hostPort", "one of them",
     forward(guestSocket="/a", hostSocket="b", reverse=True)),
    (forward(guestSocket="/a", hostSocket="b" * 90), "portForwards[0].hostSocket", "instance's folder",
     forward(guestSocket="/a", hostSocket="/" + "b" * 90)),
    (forward(guestSocket="/a", hostSocket="/\ud800" + "b" * 110), "portForwards[0].hostSocket", "fewer than",
     forward(guestSocket="/a", hostSocket="/ä")),
    (forward(guestPort=80, hostSocket="/x", reverse=True), "portForwards[0].reverse", "hostSocket",
     forward(guestSocket="/y", hostSocket="/x", reverse=True)),
    # copies, networks, resolver
    (copy(host="/h"), "copyToHost[0].guest", "an absolute path", copy(guest="/g", host="{{.Dir}}/h")),
    (copy(guest="g", host="/h"), "copyToHost[0].guest", "an absolute path", copy(guest="/g", host="/h")),
    (net(interface="n" * 16), "networks[0].interface", "1 to 15", net(interface="n" * 15)),
    (net(macAddress="52:55"), "networks[0].macAddress", "six hex", net(macAddress="52:55:55:0a:0B:0c")),
    (net(socket=__file__), "networks[0].socket", "nothing yet", net(socket="/run/none.sock")),
    ({"networks": [{"lima": "shared"}]}, "networks[0].lima", "user-v2", {"networks": [{"lima": "user-v2"}]}),
    (net(socket="/" + "s" * 108), "networks[0].socket", "fewer than", net(socket="/run/s")),
    ({"hostResolver": {"hosts": {"a b": "1.1.1.1"}}}, "hostResolver.hosts.a b", "no spaces",
     {"hostResolver": {"hosts": {"a.b": "c.d", "c.d": "::1"}}}),
    ({"hostResolver": {"hosts": {"a": "x\ny"}}}, "hostResolver.hosts.a", "no spaces",
     {"hostResolver": {"hosts": {"a": "1.2.3.4"}}}),
    ({"user": {"name": "a b"}}, "user.name", "not digits alone", {"user": {"name": "A.b"}}),
    # names and values of maps
    ({"env": {"": "x"}}, "env.", "not empty", {"env": {"A": ""}}),
    ({"env": {"A=B": "x"}}, "env.A=B", "no digit first", {"env": {"NO_PROXY": "*.a b=c"}}),
    ({"param": {"a-b": "x"}}, "param.a-b", "letters, digits", {}),
    ({"param": {"a": "x\x07"}, **provision(script="$PARAM_a")}, "param.a", "printable",
     {"param": {"a": "x\ty z"}, **provision(script="$PARAM_a")}),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "place", "allowed", "right"), RULES, ids=lambda value: str(value)[:40])
def test_a_rule_names_its_place_and_what_is_allowed(
    wrong: dict[str, Any], place: str, allowed: str, right: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        config(wrong)
    assert [problem.path for problem in caught.value.problems] == [place]
    assert allowed in caught.value.problems[0].allowed
    assert to_document(config(to_document(config(right)))) == to_document(config(right))


@pytest.mark.parametrize(
    ("document", "enabled", "binfmt"),
    [
        ({"rosetta": {"enabled": True, "binfmt": True}}, True, True),
        ({"rosetta": {"enabled": True}, "vmOpts": {"vz": {"rosetta": {"binfmt": True}}}}, True, True),
        ({"rosetta": {"enabled": True}, "vmOpts": {"vz": {"rosetta": {"enabled": False}}}}, False, False),
        ({"rosetta": None}, False, False),
    ],
)
def test_rosettas_old_place_acts_as_the_new_one_which_wins(
    document: dict[str, Any], enabled: bool, binfmt: bool
) -> None:
    rosetta = config(document).vm_opts.vz.rosetta
    assert (rosetta.enabled, rosetta.binfmt) == (enabled, binfmt)


def test_a_port_and_its_range_mean_the_range() -> None:
    rule = config(forward(guestPort=80, guestPortRange=[80, 82])).port_forwards[0]
    assert rule.guest_port_range == rule.host_port_range == (80, 82)


def test_must_be_zero_matches_what_listens_everywhere() -> None:
    assert config(forward(guestIPMustBeZero=True)).port_forwards[0].guest_ip == "0.0.0.0"


def test_a_plain_machines_problems_stand_where_they_are_written() -> None:
    rules = [{"guestPort": 80}, {"guestPort": 81, "hostIP": "x", "static": True}]
    with pytest.raises(ConfigError) as caught:
        config({"plain": True, "portForwards": rules})
    assert [problem.path for problem in caught.value.problems] == ["portForwards[1].hostIP"]


@pytest.mark.parametrize("rule", [{"hostPort": 3000}, {"guestPort": 22}, {"guestSocket": "relative.sock"}])
def test_a_plain_machines_dynamic_forwards_are_not_checked_because_they_have_no_effect(
    rule: dict[str, Any],
) -> None:
    assert config({"plain": True, "portForwards": [rule]}).port_forwards == ()
    with pytest.raises(ConfigError):
        config({"plain": True, "portForwards": [{**rule, "static": True}]})


def test_of_thousands_of_unknown_keys_the_first_ones_are_told() -> None:
    _, _, unknown = coerce({f"key{number}": 1 for number in range(3000)})
    assert len(unknown) == 51
    assert "and more" in str(unknown[-1])


def test_a_long_value_is_cut_in_a_message() -> None:
    _, (problem,), _ = coerce({"cpus": "9" * 100_000})
    assert len(str(problem)) < 400
