# SPDX-License-Identifier: GPL-3.0-or-later
"""A prune frees what nothing needs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Line
from filelock import FileLock

from callao.drivers.qemu.disk import backing_file
from callao.images.cache import entry

Box = Callable[..., Path]
URL = "https://example.com/image.qcow2"


def cached(callao: Line, url: str) -> Path:
    place = entry(callao.home, url)
    place.dir.mkdir(parents=True)
    place.data.write_bytes(b"QFI\xfb" + b"x" * 5000)
    return place.dir


def converted(callao: Line) -> list[Path]:
    return sorted((callao.home / "_cache" / "qcow2").glob("*.qcow2"))


def test_what_nothing_uses_goes_and_is_named(callao: Line) -> None:
    place = cached(callao, URL)
    done = callao("prune")
    assert (done.status, done.out) == (0, f"{place}\n")
    assert done.err.startswith("Freed ")
    assert not place.exists()


def test_nothing_there_is_no_error(callao: Line) -> None:
    done = callao("prune")
    assert (done.status, done.out, done.err) == (0, "", "Freed 0 MiB.\n")


def test_the_base_of_a_disk_stays(callao: Line, box: Box) -> None:
    assert callao("create", "--name", "web", str(box())).status == 0
    base = backing_file(callao.home / "web" / "disk")
    assert converted(callao) == [base]
    place = cached(callao, URL)
    assert callao("prune").out == f"{place}\n"
    assert converted(callao) == [base]
    assert callao("delete", "web").status == 0
    assert callao("prune").out == f"{base}\n"
    assert converted(callao) == []


def test_the_base_of_a_broken_ones_disk_stays(callao: Line, box: Box) -> None:
    assert callao("create", "--name", "web", str(box())).status == 0
    (callao.home / "web" / "lima.yaml").write_text("cpus: many\n")
    assert callao("prune").out == ""
    assert len(converted(callao)) == 1


def test_the_base_of_one_that_is_being_made_stays(callao: Line, box: Box) -> None:
    assert callao("create", "--name", "web", str(box())).status == 0
    (callao.home / "web").rename(callao.home / ".web.creating")
    assert callao("prune").out == ""
    assert len(converted(callao)) == 1


@pytest.mark.parametrize("data", [b"", b"raw disk" * 1000])
def test_a_disk_that_is_on_nothing_keeps_nothing(callao: Line, data: bytes) -> None:
    callao.write("web").disk.write_bytes(data)
    place = cached(callao, URL)
    assert callao("prune").out == f"{place}\n"


def test_a_disk_whose_header_is_cut_off_keeps_everything(callao: Line) -> None:
    callao.write("web").disk.write_bytes(b"QFI\xfb")
    place = cached(callao, URL)
    done = callao("prune")
    assert done.status == 1
    assert "web/disk" in done.err
    assert place.exists()


def test_what_a_lima_yaml_names_stays_when_asked(callao: Line) -> None:
    kernel, initrd = "https://example.com/vmlinuz", "https://example.com/initrd"
    images = [{"location": URL, "kernel": {"location": kernel}, "initrd": {"location": initrd}}]
    callao.write("web", images=images)
    kept = [cached(callao, url) for url in (URL, kernel, initrd)]
    other = cached(callao, "https://example.com/other")
    assert callao("prune", "--keep-referred").out == f"{other}\n"
    assert all(each.exists() for each in kept)
    assert set(callao("prune").out.split()) == set(map(str, kept))


def test_what_was_made_of_a_named_image_stays_too(callao: Line, box: Box) -> None:
    assert callao("create", "--name", "web", str(box())).status == 0
    (callao.home / "web" / "disk").unlink()
    assert callao("prune", "--keep-referred").out == ""
    assert len(callao("prune").out.splitlines()) == 1


def test_what_another_run_is_at_stays(callao: Line) -> None:
    place = cached(callao, URL)
    with FileLock(place.with_name(f".{place.name}.lock")):
        assert callao("prune").out == ""
    assert place.exists()
    assert callao("prune").out == f"{place}\n"


def test_the_memory_of_lists_is_no_image(callao: Line) -> None:
    callao.write("web")
    callao("list")
    assert callao("prune").out == ""
    assert (callao.home / "_cache" / "instances.json").exists()
