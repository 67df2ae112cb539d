# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a path of networks.yaml from being run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.config.network import VmnetPaths
from callao.networks.vmnet.secure_paths import Owners, path_problems

DAEMON = 4242


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    for name in ("bin", "run", "etc"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "bin" / "socket_vmnet").write_text("")
    return tmp_path


def told(tree: Path, **changed: str) -> list[tuple[str, str]]:
    """The problems in the tree itself; its parents are not the test's."""
    given = {
        "socket_vmnet": f"{tree}/bin/socket_vmnet",
        "var_run": f"{tree}/run/lima",
        "sudoers": f"{tree}/etc/lima",
        **changed,
    }
    owners = Owners(os.getuid(), os.getgid(), DAEMON)
    outside = [f"{each} " for each in tree.parents]
    return [
        (each.path, each.message)
        for each in path_problems(VmnetPaths(**given), owners)
        if not any(each.message.startswith(parent) for parent in outside) and f"{tree} " not in each.message
    ]


def test_a_tree_of_roots_alone_has_no_problem(tree: Path) -> None:
    assert told(tree) == []
    assert told(tree, sudoers="") == []


def test_each_fault_of_each_folder_on_the_way_is_told(tree: Path) -> None:
    (tree / "bin").chmod(0o777)
    (tree / "etc").rmdir()
    (tree / "etc").symlink_to("run")
    assert told(tree) == [
        ("paths.socketVMNet", f"{tree}/bin is writable for everybody"),
        ("paths.sudoers", f"{tree}/etc is a symbolic link"),
    ]


def test_only_root_may_own_it_and_only_its_group_write(tree: Path) -> None:
    owners = Owners(os.getuid() + 1, os.getgid() + 1, DAEMON)
    (tree / "run").chmod(0o775)
    found = [each.message for each in path_problems(VmnetPaths("", f"{tree}/run", ""), owners)]
    assert f"{tree}/run is owned by uid {os.getuid()}, not by root" in found
    assert f"{tree}/run is writable for its group, gid {os.getgid()}" in found


def test_the_daemons_folder_must_let_it_in_and_may_be_its_groups_to_write(tree: Path) -> None:
    (tree / "run").chmod(0o770)
    assert told(tree) == [("paths.varRun", f"{tree}/run cannot be entered by the group daemon")]
    owners = Owners(os.getuid(), os.getgid() + 1, os.getgid())
    found = [each.message for each in path_problems(VmnetPaths("", f"{tree}/run", ""), owners)]
    assert not [each for each in found if each.startswith(f"{tree}/run ")]


def test_a_program_that_is_missing_is_told_last(tree: Path) -> None:
    (tree / "bin" / "socket_vmnet").unlink()
    assert told(tree, var_run="run") == [
        ("paths.varRun", "is not absolute"),
        ("paths.socketVMNet", "has to be installed"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        *(f"/x/a{each}b" for each in (",", "*", "?", " ", "\t", ":", "=", "\\", "[", "!", "#", '"', "\n")),
        "/x/../y", "//x", "/x/", "/x/./y", "x",
    ],
)  # fmt: skip
def test_a_path_that_sudoers_could_read_in_another_way_is_refused(tree: Path, path: str) -> None:
    for name, place in (("socket_vmnet", "socketVMNet"), ("var_run", "varRun"), ("sudoers", "sudoers")):
        assert f"paths.{place}" in [each for each, _ in told(tree, **{name: path})]


@pytest.mark.parametrize("name", ["lima.conf", "lima~"])
def test_a_sudoers_file_that_sudo_would_leave_out_is_refused(tree: Path, name: str) -> None:
    assert told(tree, sudoers=f"{tree}/etc/{name}")
