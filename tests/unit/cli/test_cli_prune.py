# SPDX-License-Identifier: GPL-3.0-or-later
"""A prune frees what nothing needs, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.config import dump
from callao.drivers.qemu.disks.qcow2 import backing_file, create_layer, create_overlay
from callao.flock import exclusive
from callao.images.cache import cache_entry
from callao.instances import MachineLayout, Runtime
from callao.instances.process_identity import alive, identify
from callao.instances.records import write_json
from callao.snapshots import RequiredMachine
from callao.snapshots.warm_cache import WarmEntry, WarmRecord

Box = Callable[..., Path]
URL = "https://example.com/image.qcow2"


def cached(callao: Line, url: str) -> Path:
    place = cache_entry(callao.home, url)
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
    archive = "https://example.com/nerdctl.tgz"
    callao.write("web", images=images, containerd={"user": True, "archives": [{"location": archive}]})
    kept = [cached(callao, url) for url in (URL, kernel, initrd, archive)]
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
    with exclusive(place.with_name(f".{place.name}.lock"), 0.0, OSError):
        assert callao("prune").out == ""
    assert place.exists()
    assert callao("prune").out == f"{place}\n"


def test_the_memory_of_lists_is_no_image(callao: Line) -> None:
    callao.write("web")
    callao("list")
    assert callao("prune").out == ""
    assert (callao.home / "_cache" / "instances.json").exists()


def warm(callao: Line, key: str, base: Path) -> WarmEntry:
    """A machine that is ready to go, on an image."""
    place = WarmEntry(callao.home, key)
    with place.lock(1.0):
        place.staging.mkdir()
        create_overlay(place.staging / "disk", base, 0)
        bound = RequiredMachine(arguments=(), layout=MachineLayout(8, reclaims=False))
        place.commit(place.staging, WarmRecord(machine=bound, mac_address="", image=str(base)))
    return place


@pytest.fixture
def based(callao: Line, box: Box) -> Path:
    """The image that an instance ``web`` is on."""
    assert callao("create", "--name", "web", str(box())).status == 0
    base = backing_file(callao.home / "web" / "disk")
    assert base is not None
    return base


def stand(callao: Line, name: str, place: WarmEntry) -> Path:
    """Put an instance's disk on a warm machine; it has a layer in between, as snapshots leave it."""
    folder = callao.home / name
    folder.mkdir(exist_ok=True)
    (folder / "disk").unlink(missing_ok=True)
    create_overlay(folder / "disk.1", place.disk, 0)
    create_layer(folder / "disk", folder / "disk.1")
    return folder


def test_a_warm_machine_goes_that_no_instance_stands_on(callao: Line, based: Path) -> None:
    idle, used = warm(callao, "a" * 32, based), warm(callao, "b" * 32, based)
    stand(callao, "web", used)
    assert callao("prune").out == f"{idle.folder}\n"
    assert used.disk.exists()
    assert converted(callao) == [based]  # only the warm machine needs it
    assert callao("delete", "web").status == 0
    assert callao("prune").out == f"{used.folder}\n{based}\n"


def test_a_warm_machine_stays_under_one_that_is_being_made(callao: Line, based: Path) -> None:
    place = warm(callao, "a" * 32, based)
    stand(callao, "web", place).rename(callao.home / ".web.creating")
    assert callao("prune").out == ""
    assert place.disk.exists()


def test_a_warm_machine_that_another_run_is_at_stays_and_so_does_its_image(
    callao: Line, based: Path
) -> None:
    place = warm(callao, "a" * 32, based)
    assert callao("delete", "web").status == 0
    with place.lock(1.0):
        assert callao("prune").out == ""
    assert callao("prune").out == f"{place.folder}\n{based}\n"


def test_a_warm_machine_stays_under_a_snapshot_of_an_instance_that_was_reset(
    callao: Line, based: Path
) -> None:
    place = warm(callao, "a" * 32, based)
    stand(callao, "web", place)
    assert callao("snapshot", "create", "web", "--tag", "a").status == 0
    assert callao("factory-reset", "web").status == 0
    assert backing_file(callao.home / "web" / "disk") == based
    assert callao("prune").out == ""
    assert callao("snapshot", "apply", "web", "--tag", "a").status == 0


def staging_home(callao: Line, place: WarmEntry) -> Path:
    """A first one of its kind, half-way: its instance runs, and its files are being put together."""
    folder = place.staging_home / "golden"
    folder.mkdir(parents=True)
    (folder / "lima.yaml").write_text(
        dump({"images": [{"location": "/i"}], "vmType": "qemu", "arch": "x86_64"})
    )
    (place.staging_home / "_cache").symlink_to(callao.home / "_cache")
    place.staging.mkdir()
    (place.staging / "memory").write_bytes(b"x" * 100_000)
    return folder


def test_what_a_killed_run_has_left_goes_with_its_processes(callao: Line, based: Path) -> None:
    place = WarmEntry(callao.home, "c" * 32)
    with place.lock(1.0):
        pass
    golden = staging_home(callao, place)
    callao.sleepers.append(subprocess.Popen(["sleep", "600"]))
    process = identify(callao.sleepers[-1].pid)
    assert process is not None
    write_json(golden / "runtime.json", Runtime(agent=process, driver=process))
    done = callao("prune")
    callao.sleepers[-1].wait(10)
    assert not alive(process)
    assert done.out == f"{place.staging}\n{place.staging_home}\n"
    assert list((callao.home / "_warm").iterdir()) == []
    assert converted(callao) == [based]


def test_what_a_run_is_at_stays_with_the_image_that_it_boots(callao: Line, based: Path) -> None:
    place = WarmEntry(callao.home, "c" * 32)
    with place.lock(1.0):
        golden = staging_home(callao, place)
        (callao.home / "web" / "disk").rename(golden / "disk")
        assert callao("delete", "web").status == 0
        assert callao("prune").out == ""
    assert golden.exists()
    assert converted(callao) == [based]


def test_a_nest_whose_lock_went_with_the_cache_goes(callao: Line) -> None:
    place = WarmEntry(callao.home, "d" * 32)
    place.staging_home.mkdir(parents=True)
    assert callao("prune").out == f"{place.staging_home}\n"
