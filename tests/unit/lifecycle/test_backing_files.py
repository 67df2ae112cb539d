# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks stand on: the blocks that an instance has not written stay what they were, whatever happens to
a URL, a local file, the cache, or the home's own place."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from images.conftest import Server, serving, sha256

from callao.config import dump
from callao.drivers import driver_for
from callao.drivers.qemu.disks.qcow2 import backing_name
from callao.errors import ConfigError, DigestMismatch, InstanceError
from callao.events import silent
from callao.host import Host
from callao.images import FetchedImage, ensure_image
from callao.images.cache import cache_entry
from callao.images.store import base_at, identity_of
from callao.instances import InstancePaths, Record, inspect
from callao.instances.records import read_json, write_json
from callao.lifecycle import Request, ensure
from callao.lifecycle.backing_files import repair_backing_files
from callao.lifecycle.disk import make_disk
from callao.lifecycle.factory_reset import factory_reset
from callao.lifecycle.prune import prune_cache
from callao.lifecycle.snapshots import operations
from callao.offline import NetworkAccess

HOST = Host.detect()
DRIVER = driver_for("qemu")


def qcow2(path: Path, byte: int) -> bytes:
    """A small image that is full of one byte; returns the file's content."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(bytes([byte]) * 65536)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(path)], check=True)
    raw.unlink()
    return path.read_bytes()


@dataclass
class Ground:
    """A home, a folder of the user's, and a server."""

    home: Path
    folder: Path
    server: Server

    def image(self, byte: int) -> bytes:
        return qcow2(self.folder / f"{byte}.qcow2", byte)

    def create(self, name: str, location: str | Path, digest: str = "") -> InstancePaths:
        image = {"location": str(location), **({"digest": digest} if digest else {})}
        template = self.folder / f"{name}.yaml"
        document = {"images": [image], "vmType": "qemu", "disk": "1MiB", "cpus": 1, "memory": "1GiB"}
        template.write_text(dump(document))
        request = Request(name=name, template=str(template), state="present")
        ensure(request, home=self.home, host=HOST, check=False, report=silent)
        return self.at(name)

    def at(self, name: str) -> InstancePaths:
        return InstancePaths(self.home / name)

    def settle(self, name: str) -> None:
        paths = self.at(name)
        repair_backing_files(paths, read_json(paths.callao_json, Record) or Record(), DRIVER, self.home)

    def byte(self, name: str) -> int:
        """What the guest reads."""
        raw = self.folder / "read.raw"
        disk = str(self.at(name).disk)
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, str(raw)], check=True)
        return raw.read_bytes()[100]

    def prune(self) -> None:
        prune_cache(self.home, HOST, keep_referenced=False)


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Right under /tmp: an instance's folder must have a short name."""
    with serving() as server, tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        yield Ground(Path(folder) / "home", Path(folder), server)


def test_a_mistyped_digest_elsewhere_costs_nobody_their_disk(ground: Ground) -> None:
    body = ground.image(1)
    url = ground.server.serve("/a.qcow2", body)
    ground.create("web", url, sha256(body))
    with pytest.raises(DigestMismatch):
        ground.create("typo", url, "sha256:" + "0" * 64)
    assert cache_entry(ground.home, url).data.read_bytes() == body
    assert ground.byte("web") == 1


@pytest.mark.parametrize("vouched", [True, False])
def test_what_the_publisher_replaces_reaches_new_instances_only(ground: Ground, vouched: bool) -> None:
    first, second = ground.image(1), ground.image(2)
    url = ground.server.serve("/a.qcow2", first)
    ground.create("old", url, sha256(first) if vouched else "")
    ground.server.serve("/a.qcow2", second, etag='"two"')
    ground.create("new", url, sha256(second))
    assert (ground.byte("old"), ground.byte("new")) == (1, 2)
    ground.prune()
    assert (ground.byte("old"), ground.byte("new")) == (1, 2)
    ground.create("again", url, sha256(first))  # nobody serves it any more
    assert ground.byte("again") == 1


def test_a_local_image_may_be_replaced(ground: Ground) -> None:
    path = ground.folder / "mine.qcow2"
    qcow2(path, 1)
    ground.create("old", path)
    qcow2(ground.folder / "next.qcow2", 2)
    (ground.folder / "next.qcow2").replace(path)
    ground.create("new", path)
    path.write_bytes(b"no image at all")
    assert (ground.byte("old"), ground.byte("new")) == (1, 2)


def test_a_home_may_move(ground: Ground) -> None:
    body = ground.image(1)
    ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    ground.home = ground.home.rename(ground.folder / "elsewhere")
    assert ground.byte("web") == 1
    ground.prune()
    ground.settle("web")
    assert ground.byte("web") == 1


def test_in_a_cache_that_the_home_only_links_a_base_has_its_real_name(ground: Ground) -> None:
    """The home may go before what stands on it, as a machine that is kept in the same cache."""
    cache = ground.folder / "cache"
    cache.mkdir()
    (ground.home / "_cache").mkdir(parents=True, exist_ok=True)
    (ground.home / "_cache" / "qcow2").symlink_to(cache)
    ground.image(1)
    paths = ground.create("web", ground.folder / "1.qcow2")
    ground.settle("web")
    name = backing_name(paths.disk)
    assert name is not None
    assert Path(name).parent == cache.resolve()


def test_disks_of_earlier_versions_are_made_to_stand_on_what_lasts(ground: Ground) -> None:
    """Those stand on the download itself, under a name from the root."""
    first, second = ground.image(1), ground.image(2)
    url = ground.server.serve("/a.qcow2", first)
    paths = ground.create("web", url, sha256(first))
    data = cache_entry(ground.home, url).data
    for left in (ground.home / "_cache" / "qcow2").glob("*.qcow2"):
        left.unlink()
    rebase(paths.disk, data)
    ground.server.serve("/a.qcow2", second, etag='"two"')
    ground.create("new", url, sha256(second))
    ground.prune()
    ground.settle("web")
    assert ground.byte("web") == 1
    assert not backing_name(paths.disk).startswith("/")
    ground.home = ground.home.rename(ground.folder / "elsewhere")
    assert ground.byte("web") == 1


def test_one_that_another_tool_has_replaced_is_told(ground: Ground) -> None:
    first, second = ground.image(1), ground.image(2)
    url = ground.server.serve("/a.qcow2", first)
    paths = ground.create("web", url, sha256(first))
    for left in (ground.home / "_cache" / "qcow2").glob("*.qcow2"):
        left.unlink()
    data = cache_entry(ground.home, url).data
    rebase(paths.disk, data)
    data.unlink()
    data.write_bytes(second)
    with pytest.raises(InstanceError, match=rf"{sha256(first)}.* has changed since"):
        ground.settle("web")


def test_old_names_from_the_root_are_found_where_the_home_has_moved(ground: Ground) -> None:
    body = ground.image(1)
    paths = ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    (base,) = (ground.home / "_cache" / "qcow2").glob("*.qcow2")
    rebase(paths.disk, base)
    ground.home = ground.home.rename(ground.folder / "elsewhere")
    ground.settle("web")
    assert ground.byte("web") == 1


def test_a_base_that_is_gone_is_named(ground: Ground) -> None:
    body = ground.image(1)
    ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    for left in (ground.home / "_cache" / "qcow2").glob("*.qcow2"):
        left.unlink()
    with pytest.raises(InstanceError, match=r"backed by .*qcow2, which does not exist.*/a\.qcow2"):
        ground.settle("web")


def test_a_kept_machine_that_is_gone_is_never_replaced_by_its_image(ground: Ground) -> None:
    body = ground.image(1)
    paths = ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    rebase(paths.disk, ground.home / "_cache" / "warm" / "key" / "disk")
    with pytest.raises(InstanceError, match=r"warm/key/disk, which does not exist"):
        ground.settle("web")


def test_an_instance_in_a_folder_that_is_a_link_finds_its_base(ground: Ground) -> None:
    body = ground.image(1)
    paths = ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    (ground.folder / "big").mkdir()
    paths.dir.rename(ground.folder / "big" / "web")
    paths.dir.symlink_to(ground.folder / "big" / "web")
    ground.settle("web")
    assert ground.byte("web") == 1
    ground.prune()
    assert ground.byte("web") == 1


def test_an_image_pruned_while_an_instance_is_made_on_it_is_had_again(ground: Ground) -> None:
    body = ground.image(1)
    url = ground.server.serve("/a.qcow2", body)
    config = inspect("web", ground.home, HOST).config if ground.create("web", url, sha256(body)) else None
    assert config is not None
    (ground.home / "web" / "disk").unlink()
    calls = []

    def image() -> FetchedImage:
        had = ensure_image(
            config.images, config.arch.value, home=ground.home, report=silent, access=NetworkAccess.ONLINE
        )
        calls.append(had)
        if len(calls) == 1:
            had.disk.unlink()
        return had

    make_disk(ground.at("web"), config, DRIVER, image)
    assert len(calls) == 2
    assert ground.byte("web") == 1


def test_prunes_and_creates_at_once_leave_every_disk_whole(ground: Ground) -> None:
    body = ground.image(1)
    url = ground.server.serve("/a.qcow2", body)
    done = threading.Event()

    def prunes() -> None:
        argv = ["python", "-c", PRUNES, str(ground.home)]
        with subprocess.Popen(argv) as process:
            done.wait(60)
            process.terminate()

    pruning = threading.Thread(target=prunes)
    pruning.start()
    try:
        for number in range(5):
            ground.create(f"web{number}", url, sha256(body))
    finally:
        done.set()
        pruning.join()
    assert [ground.byte(f"web{number}") for number in range(5)] == [1] * 5


PRUNES = """
import sys
from pathlib import Path
from callao.host import Host
from callao.lifecycle.prune import prune_cache
while True:
    prune_cache(Path(sys.argv[1]), Host.detect(), keep_referred=False)
"""


def test_a_factory_reset_frees_what_only_the_old_disk_needed(ground: Ground) -> None:
    body = ground.image(1)
    url = ground.server.serve("/a.qcow2", body)
    paths = ground.create("web", url, sha256(body))

    def snapshot(do: str, name: str) -> None:
        place = {"home": ground.home, "host": HOST, "timeout": 5.0}
        if do == "take":
            operations.take("web", name, report=silent, **place)  # type: ignore[arg-type]
        else:
            operations.delete("web", name, **place)  # type: ignore[arg-type]

    snapshot("take", "one")
    snapshot("take", "two")
    snapshot("delete", "two")  # its layer stays, under the disk
    assert len(list(paths.dir.glob("disk.*"))) == 3
    instance = inspect("web", ground.home, HOST)
    factory_reset(instance, home=ground.home, access=NetworkAccess.ONLINE, report=silent)
    assert [path.name for path in paths.dir.glob("disk.*")] == ["disk.1"]  # the snapshot's
    assert ground.byte("web") == 1
    assert list(ground.home.glob(".*.resetting")) == []
    snapshot("delete", "one")
    assert list(paths.dir.glob("disk.*")) == []


def test_a_disk_that_factory_reset_of_limactl_has_removed_is_no_reason_to_fail_a_prune(
    ground: Ground,
) -> None:
    body = ground.image(1)
    paths = ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    paths.disk.unlink()
    paths.callao_json.unlink()
    ground.prune()
    assert list((ground.home / "_cache" / "qcow2").glob("*.qcow2")) == []


def rebase(disk: Path, base: Path) -> None:
    argv = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk)]
    subprocess.run(argv, check=True)


def test_records_name_the_image_of_the_new_disk(ground: Ground) -> None:
    first, second = ground.image(1), ground.image(2)
    url = ground.server.serve("/a.qcow2", first)
    paths = ground.create("web", url, sha256(first))
    ground.server.serve("/a.qcow2", second, etag='"two"')
    paths.lima_yaml.write_text(paths.lima_yaml.read_text().replace(sha256(first), sha256(second)))
    instance = inspect("web", ground.home, HOST)
    factory_reset(instance, home=ground.home, access=NetworkAccess.ONLINE, report=silent)
    record = read_json(paths.callao_json, Record)
    assert record is not None
    assert record.image_digest == sha256(second)
    assert ground.byte("web") == 2
    write_json(paths.callao_json, record)


@pytest.mark.parametrize("linked", ["_cache/qcow2", "_cache"])
def test_a_prune_leaves_the_bases_of_another_home(ground: Ground, linked: str) -> None:
    body = ground.image(1)
    ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    guest = ground.folder / "guest"
    (guest / linked).parent.mkdir(parents=True)
    (guest / linked).symlink_to(ground.home / linked)
    prune_cache(guest, HOST, keep_referenced=False)
    assert ground.byte("web") == 1


def test_a_prune_clears_a_cache_that_has_moved_to_a_larger_disk(ground: Ground) -> None:
    body = ground.image(1)
    ground.create("web", ground.server.serve("/a.qcow2", body), sha256(body))
    (ground.home / "_cache").rename(ground.folder / "large")
    (ground.home / "_cache").symlink_to(ground.folder / "large")
    (ground.folder / "large" / "qcow2" / "old.qcow2").write_bytes(b"x")
    ground.prune()
    assert [each.name for each in (ground.folder / "large" / "qcow2").glob("old*")] == []
    assert ground.byte("web") == 1


@pytest.mark.parametrize("killed_at", ["convert", "copy"])
def test_what_a_killed_run_has_left_of_a_base_goes(ground: Ground, killed_at: str) -> None:
    """By the next run that makes the same base, and by a prune."""
    path = ground.folder / "mine.img"
    path.write_bytes(b"\1" * 65536)
    if killed_at == "copy":
        qcow2(path, 1)
    target = base_at(ground.home, identity_of(path))
    left = target.with_name(f".{target.name}.staging")
    left.mkdir(parents=True)
    (left / "unpacked").write_bytes(b"half")
    ground.create("web", path)
    assert not left.exists()
    left.mkdir()
    ground.prune()
    assert not left.exists()
    assert ground.byte("web") == 1


def test_a_disk_smaller_than_its_image_is_refused_with_what_is_allowed(ground: Ground) -> None:
    path = ground.folder / "large.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "3M"], check=True)
    with pytest.raises(ConfigError, match=rf"disk: 1048576: .*{path} has.*allowed: at least 3MiB"):
        ground.create("web", path)
    assert not ground.at("web").dir.exists()
    assert [each.name for each in ground.home.glob(".*")] == []


def test_an_instance_is_its_users_alone(ground: Ground) -> None:
    ground.create("web", ground.server.serve("/a.qcow2", body := ground.image(1)), sha256(body))
    paths = ground.at("web")
    assert paths.dir.stat().st_mode & 0o777 == 0o700
    for secret in (paths.host_key, paths.callao_json, ground.home / "_config" / "user"):
        assert secret.stat().st_mode & 0o777 == 0o600
