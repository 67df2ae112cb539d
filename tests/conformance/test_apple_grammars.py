# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammars of vfkit and krunkit, against cases of our own and, where it is there, the shared corpus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import check
import krunkit
import pytest
import vfkit
from files import Disk, Tree

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
EFI = ["--bootloader", "efi,variable-store=/tmp/vf/nvram,create"]
SIZE = ["--cpus", "2", "--memory", "2048"]
MAC = "mac=52:54:00:70:2b:71"


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--device", "virtio-rng"], "no bootloader given"),
        ([*EFI, "--device", "virtio-blk,path=/tmp/vf/a,b.img"], "an option that virtio-blk does not know"),
        ([*EFI, "--device", "virtio-blk,path=/tmp/vf/d.qcow2"], "the disk is qcow2"),
        ([*EFI, "--device", "virtio-blk,path=/tmp/vf/gone"], "the disk file cannot be opened and read"),
        ([*EFI, "--device", f"virtio-net,{MAC}"], "virtio-net without an end: nat, fd or a socket path"),
        (
            [*EFI, "--device", "virtio-fs,sharedDir=/s,mountTag=t,readonly"],
            "an option that virtio-fs does not know",
        ),
        (
            [*EFI, "--device", "rosetta,mountTag=r,ignoreIfMissing"],
            "an option that rosetta share does not know",
        ),
        ([*EFI, "--memory", "4GiB"], "not a whole number"),
        ([*EFI, "--cpus", "09"], "not a whole number"),
        ([*EFI, "--cpus", "1__0"], "not a whole number"),
        ([*EFI, "--restful-uri", "unix://tmp/vfkit.sock"], "unix with a host: two slashes instead of three"),
        ([*EFI, "--timesync", "vsockPort=0"], "timesync without a vsockPort"),
        ([*EFI, "--kernel", "/k"], "kernel, initrd and kernel-cmdline go together"),
    ],
)
def test_vfkit_refuses(argv: list[str], why: str) -> None:
    files = Tree({"/tmp/vf/d.qcow2": "qcow2"})
    assert (vfkit.verdict(argv, files).accepted, vfkit.verdict(argv, files).why) == (False, why)


@pytest.mark.parametrize(
    ("argv", "held"),
    [
        (["--gui", "false"], {"gui": True}),
        (["--cpus", "0x1_0"], {"vcpus": 16}),
        (["-c010"], {"vcpus": 8}),
        (["--memory", "17592186044417"], {"memoryBytes": 1 << 20}),
        (["--restful-uri", "unix:///a%20b?c"],
         {"restfulUri": {"host": "", "path": "/a b", "scheme": "unix"}}),
        (["--restful-uri", "tcp://[fe80::1%25en0]:80"],
         {"restfulUri": {"host": "[fe80::1%en0]:80", "path": "", "scheme": "tcp"}}),
        (["--device", "virtio-net,nat,mac=5254.0070.2b71"],
         {"devices": [{"kind": "virtionet", "nat": True, "macAddress": "52:54:00:70:2b:71"}]}),
    ],
)  # fmt: skip
def test_vfkit_accepts(argv: list[str], held: dict[str, object]) -> None:
    verdict = vfkit.verdict([*EFI, *argv], Tree({}))
    assert verdict.parsed is not None
    assert {key: verdict.parsed[key] for key in held} == held


@pytest.mark.parametrize(
    ("argv", "status", "why"),
    [
        (["--cpus", "2"], 2, "--cpus and --memory must both be there"),
        ([*SIZE, "--device", "virtio-net,nat"], 2, "virtio-net lacks mac"),
        ([*SIZE, "--device", "virtio-blk,path=/a=b"], 2, "a second equal sign in one option"),
        ([*SIZE, "--device", "virtio-fs,sharedDir=/s,mountTag=t,"], 2,
         "an option that virtio-fs does not know (an empty piece counts)"),
        ([*SIZE, "--pidfile", "--nested"], 2, "a value is missing or empty"),
        (["--cpus", "0", "--memory", "1G"], 1, "at least one CPU"),
        (["--cpus", "1", "--memory", "61g"], 1, "memory above 61440 MiB"),
        ([*SIZE, "--help"], 0, "prints and ends with status 0: no machine"),
    ],
)  # fmt: skip
def test_krunkit_refuses(argv: list[str], status: int, why: str) -> None:
    verdict = krunkit.verdict(argv, Tree({}))
    assert (verdict.accepted, verdict.exit, verdict.why) == (False, status, why)


def test_krunkit_takes_permission_semantics_from_1_3_0_on() -> None:
    argv = [*SIZE, "--device", "virtio-fs,sharedDir=/s,mountTag=t,permissionSemantics=Complete"]
    accepted = [krunkit.verdict(argv, Tree({}), version).accepted for version in ((1, 2, 1), (1, 3, 0))]
    assert accepted == [False, True]


def test_the_grammars_read_the_disk_as_the_corpus_describes_it(tmp_path: Path) -> None:
    disk, log = tmp_path / "disk", tmp_path / "krunkit.log"
    disk.write_bytes(b"QFI")
    assert vfkit.verdict([*EFI, "--device", f"virtio-blk,path={disk}"], Disk()).accepted
    assert krunkit.verdict([*SIZE, "--log-file", str(log)], Disk()).accepted
    assert log.exists()


def test_check_counts_and_prints_each_difference(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    rows = [
        {"id": "vf-own-001", "argv": EFI, "files": {}, "verdict": "accepted"},
        {"id": "kr-own-001", "argv": SIZE, "files": {}, "verdict": "refused", "exit": 2},
    ]
    cases.write_text("\n".join(map(json.dumps, rows)))
    script = ROOT / "tests" / "conformance" / "check.py"
    done = subprocess.run([sys.executable, script, "-v", cases], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "kr-own-001: it has refused , ours accepted ",
        "cases.jsonl: 1 of 2 verdicts shared",
    ]


if CORPUS.is_dir():

    @pytest.mark.parametrize("path", sorted(CORPUS.glob("*kit.jsonl")), ids=lambda path: path.stem)
    def test_every_verdict_of_the_shared_corpus_is_ours(path: Path) -> None:
        assert check.check(path).differences == ()
