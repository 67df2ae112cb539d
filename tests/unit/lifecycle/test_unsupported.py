# SPDX-License-Identifier: GPL-3.0-or-later
"""What this version cannot do: refused, or told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, effective
from callao.errors import CallaoError
from callao.host import Host, HostUser
from callao.lifecycle.unsupported import (
    _containerd_problems,
    existing_instance_notices,
    new_instance_notices,
    notices,
    refuse_impossible,
)

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
SCRIPT = "#!/bin/sh\ntrue\n"


def config(document: dict[str, Any]) -> Config:
    whole = {"images": [{"location": "/img.qcow2"}], **document}
    return effective(whole, HOST, name="web", instance_dir=Path("/home/ann/.lima/web"))


YQ = {"mode": "yq", "path": "/x.json", "expression": ".a = 1"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"os": "FreeBSD"}, r"os: 'FreeBSD': has no guests.*rc\(8\).*allowed: Linux"),
        ({"os": "Darwin"}, "os: 'Darwin': has no guests.*IPSW"),
        ({"os": "Windows"}, "os: 'Windows': has no guests.*virtio"),
        ({"vmType": "wsl2"}, r"images\[0\].location: '/img.qcow2': is a disk image \(qcow2\)"),
        ({"env": {"A": "x\ny"}}, "env.A: .*line break"),
        ({"env": {"A": "a'#b c\"d"}}, "env.A: .*cuts .* off at '#'"),
        (
            {"provision": [{**YQ, "expression": "keys"}]},
            r"provision\[0\].expression: 'keys': 'keys' is not of both",
        ),
        ({"provision": [{**YQ, "path": "/x.toml"}]}, r"provision\[0\].format: 'toml': is not edited"),
        ({"provision": [{**YQ, "format": "xml"}]}, r"provision\[0\].format: 'xml': is not edited"),
        ({"caCerts": {"files": ["/nosuch.crt"]}}, r"caCerts.files\[0\]: '/nosuch.crt': cannot be read"),
    ],
)
def test_what_no_installation_would_change_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(CallaoError, match=words):
        refuse_impossible(config(document), "web", HOST)


def test_a_cut_value_of_an_instance_that_is_there_is_told_and_refuses_no_start() -> None:
    found = config({"env": {"A": "a#b"}})
    refuse_impossible(found, "web", HOST, new=False)
    assert existing_instance_notices(found) == (
        "env.A: 'a#b': pam_env cuts /etc/environment's lines off at '#' (allowed: no '#')",
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"mountz": []}, "mountz: is not a field of lima.yaml, and is left out: did you mean 'mounts'?"),
        ({"ssh": {"overVsock": True}}, "ssh.overVsock: has no effect"),
        ({"firmware": {"images": [{"location": "/f.fd"}]}}, "firmware.images: has no effect"),
        ({"audio": {"device": "pa"}}, "audio: has no effect"),
        ({"rosetta": {"enabled": True}}, "rosetta: is deprecated: use vmOpts.vz.rosetta"),
        ({"provision": [{"script": SCRIPT, "expression": ".a"}]}, "provision[0].expression: has no effect"),
        ({"provision": [{"script": "\n#!/bin/sh\n"}]}, "provision[0].script: its #! line is not the first"),
        ({"provision": [{"script": "echo $LIMA_CIDATA_NAME"}]}, "provision[0].script: names LIMA_CIDATA"),
    ],
)
def test_what_is_taken_without_effect_is_told(document: dict[str, Any], words: str) -> None:
    assert [each for each in notices(document, config(document)) if each.startswith(words)]


@pytest.mark.parametrize(
    "document",
    [
        {"containerd": {"user": False, "system": False}},
        {"containerd": {"user": True, "archives": [{"location": "/nerdctl.tgz"}]}},
        {"video": {"display": "none"}},
        {"audio": None, "mounts": None, "osOpts": None},
        {"audio": {"device": "", "interface": ""}},
        {"provision": [{"script": SCRIPT}, {"mode": "data", "path": "/x", "content": "y", "script": ""}]},
    ],
)
def test_what_says_nothing_is_not_told_of(document: dict[str, Any]) -> None:
    assert notices(document, config(document)) == ()


@pytest.mark.parametrize(
    ("arch", "words"),
    [("riscv64", r"containerd.archives: \[\]: has no archive for riscv64"), ("x86_64", ""), ("aarch64", "")],
)
def test_containerd_needs_an_archive_for_the_architecture(arch: str, words: str) -> None:
    found = _containerd_problems(config({"arch": arch, "containerd": {"user": True}}))
    own = {"user": True, "archives": [{"location": "/n.tgz", "arch": arch}]}
    assert bool(found) == bool(words)
    assert all(re.match(words, str(each)) for each in found)
    assert _containerd_problems(config({"arch": arch, "containerd": own})) == []
    assert _containerd_problems(config({"arch": arch, "plain": True, "containerd": {"user": True}})) == []


def test_that_containerd_is_not_installed_is_told_where_lima_would() -> None:
    assert new_instance_notices({})[0].startswith("containerd: is not installed, as by Lima it would be")
    assert new_instance_notices({"containerd": {"system": False}})
    assert (
        new_instance_notices({"containerd": {"user": False}}) == new_instance_notices({"plain": True}) == ()
    )
