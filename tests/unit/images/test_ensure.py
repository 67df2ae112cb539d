# SPDX-License-Identifier: GPL-3.0-or-later
"""From a list of images to one that boots: formats, archives, fallback."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from images.conftest import Server, left_in, sha256

from callao.config import Arch, Image
from callao.config.schema import File, Kernel
from callao.errors import DigestMismatch, DownloadError, ImageError, ImageFormatError
from callao.events import Event, silent
from callao.images import DownloadLimits, ensure_image
from callao.images.cache import cache_entry

QUICK = DownloadLimits(connect=2.0, read=0.5, tries=1)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def image_of(folder: Path, form: str, *options: str) -> Path:
    """A small disk with something on it."""
    raw = folder / "disk.raw"
    raw.write_bytes(b"boot" * 16384 + bytes(1 << 20))
    if form == "raw":
        return raw
    path = folder / f"disk.{form}"
    argv = ["qemu-img", "convert", "-O", form, *options, str(raw), str(path)]
    subprocess.run(argv, check=True)
    return path


def ready(location: str | Path, home: Path, digest: str | None = None) -> Path:
    images = [Image(location=str(location), digest=digest)]
    return ensure_image(images, "x86_64", home=home, report=silent, limits=QUICK).disk


def content(path: Path) -> bytes:
    said = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(path)]))
    assert said["format"] == "qcow2"
    copy = path.parent / "copy"
    argv = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(copy)]
    subprocess.run(argv, check=True)
    data = copy.read_bytes()
    copy.unlink()
    return data[:4]


def test_a_local_qcow2_is_copied_once(tmp_path: Path) -> None:
    path = image_of(tmp_path, "qcow2")
    disk = ready(path, tmp_path / "home")
    assert disk != path
    assert disk.read_bytes() == path.read_bytes()
    assert disk.stat().st_mode & 0o222 == 0
    assert ready(path, tmp_path / "home") == disk
    assert len(list(disk.parent.glob("*.qcow2"))) == 1


def test_a_downloaded_qcow2_takes_its_room_once(server: Server, tmp_path: Path) -> None:
    body = image_of(tmp_path, "qcow2").read_bytes()
    disk = ready(server.serve("/disk.qcow2", body), tmp_path / "home")
    (data,) = (tmp_path / "home").rglob("data")
    assert disk.samefile(data)


def test_a_digest_that_was_noted_for_another_file_is_found_out(server: Server, tmp_path: Path) -> None:
    """The cache is shared with other tools."""
    body = image_of(tmp_path, "qcow2").read_bytes()
    url = server.serve("/disk.qcow2", body)
    place = cache_entry(tmp_path / "home", url)
    place.dir.mkdir(parents=True)
    place.data.write_bytes(b"something else")
    place.digest_file("sha256").write_text(sha256(body))
    with pytest.raises(DigestMismatch):
        ready(url, tmp_path / "home", sha256(body))
    assert content(ready(url, tmp_path / "home", sha256(body))) == b"boot"


@pytest.mark.parametrize("suffix", ["raw", "img", "iso"])
def test_a_raw_image_is_converted_once(tmp_path: Path, suffix: str) -> None:
    path = image_of(tmp_path, "raw").rename(tmp_path / f"disk.{suffix}")
    disk = ready(path, tmp_path / "home")
    assert content(disk) == b"boot"
    made = disk.stat().st_mtime_ns
    assert ready(path, tmp_path / "home") == disk
    assert disk.stat().st_mtime_ns == made


@pytest.mark.parametrize("form", ["raw", "qcow2"])
@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_archives_are_unpacked(server: Server, tmp_path: Path, form: str, packer: str) -> None:
    packed = PACKERS[packer](image_of(tmp_path, form).read_bytes())
    url = server.serve(f"/disk.{form}.{packer}", packed)
    disk = ready(url, tmp_path / "home", sha256(packed))
    assert content(disk) == b"boot"
    assert disk.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_a_damaged_archive_says_so_and_leaves_no_image(server: Server, tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](bytes(range(256)) * 4096)
    url = server.serve("/disk.img", packed[: len(packed) // 2])
    with pytest.raises(ImageFormatError, match=re.escape(url) + ".*damaged"):
        ready(url, tmp_path)
    assert [name for name in left_in(tmp_path) if "qcow2" in name] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html>please log in</html>", "text, such as HTML.*login page"),
        (b'{"message": "not found"}', "text, such as HTML.*login page"),
        (b"x" * 12345, "12345 bytes"),
        (b"", "0 bytes"),
    ],
)
def test_what_is_no_disk_image_is_refused(server: Server, tmp_path: Path, body: bytes, words: str) -> None:
    with pytest.raises(ImageFormatError) as refused:
        ready(server.serve("/disk.img", body), tmp_path)
    assert re.search(words, str(refused.value))


def test_a_local_file_that_is_html_is_not_called_a_login_page(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(ImageFormatError) as refused:
        ready(str(page), tmp_path / "home")
    assert "login page" not in str(refused.value)
    assert "allowed: qcow2, raw, ISO" in str(refused.value)


def test_a_page_that_came_instead_of_the_image_is_not_kept(server: Server, tmp_path: Path) -> None:
    """Once the login page is gone, the same location works."""
    url = server.serve("/disk.img", b"<html>please log in</html>")
    with pytest.raises(ImageFormatError, match=re.escape(url)):
        ready(url, tmp_path / "home")
    assert left_in(tmp_path / "home") == []
    server.serve("/disk.img", image_of(tmp_path, "raw").read_bytes())
    assert content(ready(url, tmp_path / "home")) == b"boot"


def test_what_its_digest_vouches_for_is_kept_whatever_it_is(server: Server, tmp_path: Path) -> None:
    page = b"<html>please log in</html>"
    url = server.serve("/disk.img", page)
    for _ in range(2):
        with pytest.raises(ImageFormatError):
            ready(url, tmp_path / "home", sha256(page))
    assert len(server.requests) == 1


def test_a_file_of_this_machine_that_is_no_image_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("{}")
    with pytest.raises(ImageFormatError):
        ready(path, tmp_path / "home")
    assert path.exists()


def test_an_image_that_reads_the_hosts_files_is_refused(tmp_path: Path) -> None:
    base = image_of(tmp_path, "qcow2")
    overlay = tmp_path / "overlay.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(overlay)]
    subprocess.run(argv, check=True)
    with pytest.raises(ImageFormatError, match="refers to another file"):
        ready(overlay, tmp_path / "home")


def test_an_image_with_a_data_file_is_refused(tmp_path: Path) -> None:
    path = image_of(tmp_path, "qcow2", "-o", f"data_file={tmp_path / 'secret'},data_file_raw=on")
    with pytest.raises(ImageFormatError, match="secret"):
        ready(path, tmp_path / "home")


def test_an_image_that_names_a_file_by_its_header_alone_is_refused_before_another_program_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU opens a data file, or what a ``json:`` name describes, when it is asked about an image."""
    named = f'json:{{"driver": "file", "filename": "{tmp_path}/secret"}}'
    (tmp_path / "secret").write_bytes(b"secret" * 1024)
    path = image_of(tmp_path, "qcow2", "-o", f"data_file={tmp_path / 'other'},data_file_raw=on")
    header = path.read_bytes()
    at = header.index(b"DATA")
    extension = b"DATA" + len(named).to_bytes(4, "big") + named.encode()
    path.write_bytes(header[:at] + extension + bytes(8) + header[at + len(extension) + 8 :])
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImageFormatError, match=r"refers to another file.*json:"):
        ready(path, tmp_path / "home")


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "packed"])
@pytest.mark.parametrize(
    ("form", "options", "name"),
    [
        ("vmdk", (), "VMDK"),
        ("vmdk", ("-o", "subformat=monolithicFlat"), "VMDK"),
        ("qed", (), "QED"),
        ("vdi", (), "VDI"),
        ("vpc", (), "VHD"),
        ("vhdx", (), "VHDX"),
        ("parallels", (), "Parallels"),
    ],
)
def test_other_formats_are_refused_by_name(
    server: Server, tmp_path: Path, form: str, options: tuple[str, ...], name: str, packed: bool
) -> None:
    """Some of them name files of the host, which would become the disk of a guest."""
    data = image_of(tmp_path, form, *options).read_bytes()
    url = server.serve("/disk.img", PACKERS["gz"](data) if packed else data)
    with pytest.raises(ImageFormatError, match=rf"{name} \(allowed: qcow2, raw, ISO\)"):
        ready(url, tmp_path / "home")


def test_a_description_of_a_vmdk_brings_no_file_of_the_host(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 1024)
    text = f'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 12 FLAT "{secret}" 0\n'
    path = tmp_path / "disk.img"
    path.write_text(text.ljust(1024))
    with pytest.raises(ImageFormatError, match="VMDK"):
        ready(path, tmp_path / "home")


def test_a_qcow2_that_is_cut_off_or_encrypted_is_refused(tmp_path: Path) -> None:
    path = image_of(tmp_path, "qcow2")
    data = path.read_bytes()
    for bad, words in (
        (data[:50], "cut off"),
        (data[:32] + (1).to_bytes(4, "big") + data[36:], "encrypted"),
    ):
        path.write_bytes(bad)
        with pytest.raises(ImageFormatError, match=words):
            ready(path, tmp_path / "home")


def test_the_first_that_fits_and_can_be_had_wins(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    disk = image_of(tmp_path, "qcow2").read_bytes()
    images = [
        Image(location=server.url("/arm.qcow2"), arch=Arch.AARCH64),
        Image(location=server.url("/gone.qcow2"), arch=Arch.X86_64),
        Image(location=server.serve("/good.qcow2", disk), digest=sha256(disk)),
        Image(location=server.serve("/late.qcow2", disk)),
    ]
    found = ensure_image(images, "x86_64", home=tmp_path / "home", report=events.append, limits=QUICK)
    assert found.location == server.url("/good.qcow2")
    assert found.digest == sha256(disk)
    assert [path for path, _ in server.requests] == ["/gone.qcow2", "/good.qcow2"]
    assert any("404" in event.message and "next image" in event.message for event in events)


def test_only_images_like_the_first_that_fits_are_tried(server: Server, tmp_path: Path) -> None:
    disk = image_of(tmp_path, "qcow2").read_bytes()
    images = [
        Image(location=server.url("/arm"), arch=Arch.AARCH64, variant="server"),
        Image(location=server.url("/gone"), arch=Arch.X86_64, variant="minimal", arch_variant=""),
        Image(location=server.serve("/server", disk), arch=Arch.X86_64, variant="server"),
        Image(location=server.serve("/v3", disk), arch=Arch.X86_64, variant="minimal", arch_variant="v3"),
        Image(location=server.serve("/like", disk), arch=Arch.X86_64, variant="minimal"),
    ]
    found = ensure_image(images, "x86_64", home=tmp_path / "home", report=silent, limits=QUICK)
    assert found.location == server.url("/like")
    assert [path for path, _ in server.requests] == ["/gone", "/like"]


def test_a_wrong_digest_is_not_passed_over(server: Server, tmp_path: Path) -> None:
    disk = image_of(tmp_path, "qcow2").read_bytes()
    images = [
        Image(location=server.serve("/bad.qcow2", disk), digest="sha256:" + "0" * 64),
        Image(location=server.serve("/good.qcow2", disk)),
    ]
    with pytest.raises(DigestMismatch):
        ensure_image(images, "x86_64", home=tmp_path / "home", report=silent, limits=QUICK)


def test_each_reason_is_told_when_none_can_be_had(server: Server, tmp_path: Path) -> None:
    images = [Image(location=server.url("/one")), Image(location="http://127.0.0.1:1/two")]
    with pytest.raises(DownloadError, match=r"/one .*404.*/two .*refused"):
        ensure_image(images, "x86_64", home=tmp_path, report=silent, limits=QUICK)


def test_no_image_for_the_architecture_says_which_there_are(tmp_path: Path) -> None:
    images = [Image(location="/x", arch=Arch.AARCH64), Image(location="/y", arch=Arch.S390X)]
    with pytest.raises(ImageError, match=r"none for x86_64.*aarch64, s390x"):
        ensure_image(images, "x86_64", home=tmp_path, report=silent)


def test_kernel_and_initrd_come_with_the_image(server: Server, tmp_path: Path) -> None:
    disk = image_of(tmp_path, "qcow2")
    kernel = Kernel(location=server.serve("/vmlinuz", b"kernel"), cmdline="ro quiet")
    initrd = File(location=server.serve("/initrd", b"initrd"))
    images = [Image(location=str(disk), kernel=kernel, initrd=initrd)]
    found = ensure_image(images, "x86_64", home=tmp_path / "home", report=silent, limits=QUICK)
    assert found.kernel is not None
    assert found.initrd is not None
    assert (found.kernel.read_bytes(), found.initrd.read_bytes(), found.cmdline) == (
        b"kernel",
        b"initrd",
        "ro quiet",
    )
