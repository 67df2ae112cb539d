# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao disk``, with limactl's files, output and exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest
from cli.conftest import Line

from callao.cli.arguments import complete
from callao.cli.commands.disk import in_units

MIB = 2**20


def image(home: Path, name: str) -> Path:
    return home / "_disks" / name / "datadisk"


def told(path: Path) -> dict[str, object]:
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", "-f", "qcow2", str(path)], check=True, capture_output=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_disk_of_each_format_is_made_listed_grown_and_deleted(callao: Line) -> None:
    assert callao("disk", "create", "data", "--size", "1GiB").status == 0
    assert callao("disk", "create", "raw", "--size", "5000001", "--format", "raw").status == 0
    assert told(image(callao.home, "data"))["virtual-size"] == 1024 * MIB
    assert image(callao.home, "raw").stat().st_size == 5000192
    assert image(callao.home, "raw").read_bytes().count(b"\0") == 5000192
    assert image(callao.home, "data").parent.stat().st_mode & 0o777 == 0o700
    rows = [line.split() for line in callao("disk", "list").out.splitlines()]
    assert rows == [
        ["NAME", "SIZE", "FORMAT", "DIR", "IN-USE-BY"],
        ["data", "1GiB", "qcow2", str(callao.home / "_disks/data")],
        ["raw", "4.769MiB", "raw", str(callao.home / "_disks/raw")],
    ]
    for name in ("data", "raw"):
        assert callao("disk", "resize", name, "--size", "2GiB").status == 0
        assert callao("disk", "resize", name, "--size", "2G").status == 0  # has it already
        done = callao("disk", "resize", name, "--size", "1GiB")
        assert (done.status, "has 2GiB and cannot shrink to 1GiB" in done.err) == (1, True)
    assert [json.loads(line)["size"] for line in callao("disk", "ls", "--json").out.splitlines()] == [
        2**31
    ] * 2
    assert callao("disk", "rm", "data", "none", "raw").status == 0
    assert list((callao.home / "_disks").iterdir()) == []


def test_json_has_limactls_keys(callao: Line) -> None:
    callao("disk", "create", "data", "--size", "1MiB")
    image(callao.home, "data").with_name("in_use_by").symlink_to("/tmp/gone")
    (line,) = callao("disk", "list", "--json", "data", "data").out.splitlines()
    assert json.loads(line) == {
        "name": "data", "size": MIB, "format": "qcow2", "dir": str(callao.home / "_disks/data"),
        "instance": "gone", "instanceDir": "/tmp/gone", "mountPoint": "/mnt/lima-data",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (("create", "data", "--size", "1GiB"), 1, "disk 'data' exists already"),
        (("create", "a b", "--size", "1GiB"), 1, "name: 'a b': cannot be a disk's name (allowed: letters"),
        (("create", "x" * 77, "--size", "1GiB"), 1, "cannot be a disk's name"),
        (("create", "../up", "--size", "1GiB"), 1, "cannot be a disk's name"),
        (("create", "new"), 1, "Missing option '--size'"),
        (("create", "new", "--size", "1X"), 1, "--size: '1X' is no size (allowed: a size such as 4GiB"),
        (("create", "new", "--size", "0"), 1, "--size: '0': a disk cannot have no bytes"),
        (("create", "new", "--size", "-1"), 1, "--size: '-1' is no size"),
        (("create", "new", "--size", "1GiB", "--format", "vmdk"), 1, "(allowed: qcow2, raw)"),
        (("resize", "none", "--size", "1GiB"), 1, "disk 'none' does not exist"),
        (("delete", "none"), 0, "Disk 'none' does not exist"),
        (("unlock", "none", "data"), 0, "Disk data is not locked"),
        (("list", "none"), 0, "No disk matches 'none'"),
        (("import", "new", "/none.img"), 1, "/none.img cannot be read"),
        (("delete",), 1, "Missing argument 'DISK...'"),
        (("unlock", "../up"), 1, "cannot be a disk's name"),
        (("delete", "/etc"), 1, "cannot be a disk's name"),
    ],
)
def test_exit_codes_are_limactls(callao: Line, line: tuple[str, ...], status: int, words: str) -> None:
    callao("disk", "create", "data", "--size", "1MiB")
    done = callao("disk", *line)
    assert (done.status, words in done.err) == (status, True), done.err
    assert [each.name for each in (callao.home / "_disks").iterdir()] == ["data"]


def test_no_disk_is_no_error(callao: Line) -> None:
    done = callao("disk", "list")
    assert (done.status, done.out) == (0, "NAME  SIZE  FORMAT  DIR  IN-USE-BY\n")
    assert "callao disk create DISK --size SIZE" in done.err


def test_one_without_an_image_is_told_and_left_out(callao: Line) -> None:
    callao("disk", "create", "data", "--size", "1MiB")
    (callao.home / "_disks" / "broken").mkdir()
    (callao.home / "_disks" / "file").write_text("")
    done = callao("disk", "list")
    assert (done.status, len(done.out.splitlines())) == (0, 2)
    assert "disk 'broken' has no image" in done.err
    assert callao("disk", "create", "broken", "--size", "1MiB").status == 0  # as a killed run left it
    assert callao("disk", "delete", "--force", "broken").status == 0


def test_a_disk_that_an_instance_has_is_neither_deleted_nor_grown_nor_unlocked(callao: Line) -> None:
    callao("disk", "create", "data", "--size", "1MiB")
    web = callao.run("web", additionalDisks=["data"])
    lock = image(callao.home, "data").with_name("in_use_by")
    lock.symlink_to(web.dir)
    for line in (("delete", "data"), ("resize", "data", "--size", "2MiB")):
        done = callao("disk", *line)
        assert (done.status, "in use by instance 'web'" in done.err) == (1, True), done.err
    done = callao("disk", "unlock", "data")
    assert (done.status, "in use by instance 'web'" in done.err) == (0, True)
    assert lock.is_symlink()
    web.runtime.unlink()  # its processes are gone
    assert callao("disk", "delete", "data").status == 1  # as limactl has it
    assert callao("disk", "resize", "data", "--size", "2MiB").status == 0
    assert callao("disk", "unlock", "data").status == 0
    assert not lock.is_symlink()
    done = callao("disk", "delete", "data")
    assert (done.status, "callao disk delete --force data" in done.err) == (0, True)
    assert image(callao.home, "data").exists()
    assert callao("disk", "delete", "-f", "data").status == 0
    assert not image(callao.home, "data").exists()


def test_a_lock_that_is_no_link_is_named(callao: Line) -> None:
    callao("disk", "create", "data", "--size", "1MiB")
    image(callao.home, "data").with_name("in_use_by").write_text("web")
    for line in (("unlock", "data"), ("delete", "data"), ("resize", "data", "--size", "2MiB")):
        done = callao("disk", *line)
        assert (done.status, "in_use_by is no symbolic link" in done.err) == (1, True)
    assert callao("disk", "list").status == 0


def test_an_import_is_checked_converted_and_compared(callao: Line, tmp_path: Path) -> None:
    raw, cow = tmp_path / "raw.img", tmp_path / "cow.img"
    raw.write_bytes(b"\xaa" * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(cow)], check=True)
    for name, source, form, expected in (
        ("a", raw, (), "raw"), ("b", raw, ("--format", "qcow2"), "qcow2"),
        ("c", cow, (), "qcow2"), ("d", cow, ("--format", "raw"), "raw"),
    ):  # fmt: skip
        done = callao("disk", "import", name, str(source), *form)
        assert (done.status, f"Imported {expected} disk {name} with 1MiB" in done.err) == (0, True), done.err
        same = ["qemu-img", "compare", "-f", expected, "-F", "raw", str(image(callao.home, name)), str(raw)]
        assert subprocess.run(same, check=False, capture_output=True).returncode == 0
    assert image(callao.home, "a").read_bytes() == raw.read_bytes()
    assert callao("disk", "import", "a", str(raw)).status == 1


def test_an_image_that_cannot_be_trusted_is_refused_and_leaves_nothing(callao: Line, tmp_path: Path) -> None:
    vmdk, backed, text, damaged = (tmp_path / each for each in ("vmdk", "backed", "text", "damaged"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", str(vmdk), "1M"], check=True)
    argv = [
        "qemu-img",
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        "/etc/shadow",
        "-F",
        "raw",
        str(backed),
        "1M",
    ]
    subprocess.run(argv, check=True)
    text.write_text("hello\n" * 1000)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(damaged), "1M"], check=True)
    with damaged.open("r+b") as file:
        file.seek(40)
        file.write(b"\xff" * 8)  # the offset of the L1 table
    for source, words in (
        (vmdk, "it is a VMDK"), (backed, "/etc/shadow"), (text, "is no disk image"),
        (damaged, "qemu-img check"),
    ):  # fmt: skip
        done = callao("disk", "import", "new", str(source))
        assert (done.status, words in done.err) == (1, True), done.err
        assert not (callao.home / "_disks" / "new").exists()


def test_a_shell_completes_names(callao: Line) -> None:
    for name in ("data", "dates", "other"):
        callao("disk", "create", name, "--size", "1MiB")
    ctx, argument = click.Context(click.Command("delete")), click.Argument(["names"])
    assert complete.disks(ctx, argument, "da") == ["data", "dates"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0B"),
        (6, "6B"),
        (5000192, "4.769MiB"),
        (2**30, "1GiB"),
        (3 * 2**29, "1.5GiB"),
        (2**60, "1024PiB"),
    ],
)
def test_sizes_are_told_as_limactl_tells_them(size: int, shown: str) -> None:
    assert in_units(size) == shown
