# SPDX-License-Identifier: GPL-3.0-or-later
"""An image in the place of a template, and schemes that other programs know."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.errors import TemplateError
from callao.host import native_arch
from callao.templates import resolve
from callao.templates.imagefile import image_document, image_name


@pytest.mark.parametrize(
    ("file", "arch", "name"),
    [
        ("disk.img", "x86_64", "disk"),
        ("https://h.test/Rocky-9-GenericCloud-Base-9.4-20240609.1.x86_64.qcow2", "x86_64", "rocky-9.4"),
        ("nocloud_alpine-3.22.0-aarch64-uefi-cloudinit-r0.qcow2", "aarch64", "alpine-3.22.0-aarch64-r0"),
        ("Arch-Linux-x86_64-cloudimg.qcow2", "x86_64", "archlinux"),
        ("tool-arm64.raw.xz", "aarch64", "tool-arm64"),
        ("tool-armhf.img", "armv7l", "tool-armhf"),
        ("tool-amd64.iso", "x86_64", "tool-amd64"),
        ("amd64v3-tool.img", "x86_64", "amd64v3-tool"),
        ("my-8-8.10.img", "x86_64", "my-8.10"),
        ("my-8-9.10.img", "x86_64", "my-8-9.10"),
        ("my_20250607_12.img", "x86_64", "my"),
    ],
)
def test_an_images_file_says_its_architecture_and_a_name(file: str, arch: str, name: str) -> None:
    assert image_name(file, "x86_64") == name
    assert image_document(file, "x86_64") == {
        "os": "Linux",
        "arch": arch,
        "images": [{"location": file, "arch": arch}],
    }


@pytest.mark.parametrize(
    ("file", "system", "arch"),
    [
        ("FreeBSD-15.0-RELEASE-amd64-BASIC-CLOUDINIT-ufs.qcow2.xz", "FreeBSD", "x86_64"),
        ("UniversalMac_15.6.1_24G90_Restore.ipsw", "Darwin", "aarch64"),
    ],
)
def test_it_says_the_operating_system_too(file: str, system: str, arch: str) -> None:
    document = image_document(file, "x86_64")
    assert (document["os"], document["arch"]) == (system, arch)


def test_an_image_stands_for_a_template_wherever_one_does(tmp_path: Path) -> None:
    resolved = resolve("./disk.qcow2", tmp_path)
    assert resolved.name == "disk"
    assert resolved.document["images"] == [{"location": "./disk.qcow2", "arch": native_arch()}]
    (tmp_path / "t.yaml").write_text("base: sub/tool-s390x.img\ncpus: 1\n")
    document = resolve(str(tmp_path / "t.yaml"), tmp_path).document
    assert document["images"] == [{"location": f"{tmp_path}/sub/tool-s390x.img", "arch": "s390x"}]


def test_an_image_of_a_repository_is_one_by_its_url(tmp_path: Path) -> None:
    resolved = resolve("github:o/r/tool-s390x.qcow2@v1?x=1", tmp_path)
    url = "https://raw.githubusercontent.com/o/r/v1/tool-s390x.qcow2"
    assert (resolved.name, resolved.document["images"]) == (
        "tool-s390x",
        [{"location": url, "arch": "s390x"}],
    )


def test_a_file_in_a_folder_needs_no_dot_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "box.json").write_text('{"cpus": 2}')
    assert resolve("sub/box.json", tmp_path).name == "box.json"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def plugin(folder: Path, scheme: str, script: str) -> None:
    path = folder / f"limactl-url-{scheme}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_scheme_of_another_program_means_what_it_says(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "web.yaml").write_text("base: team:common\n")
    (tmp_path / "common.yaml").write_text("cpus: 6\n")
    plugin(programs, "team", f'echo "box:$1"; echo "$1" >>{tmp_path}/asked')
    plugin(programs, "box", f'echo "{tmp_path}/${{1#//}}.yaml"')
    resolved = resolve("Team://web", tmp_path)
    assert (resolved.name, resolved.document) == ("web", {"cpus": 6})
    assert (tmp_path / "asked").read_text() == "//web\ncommon\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no such box >&2; exit 3", "limactl-url-team failed: no such box"),
        ("true", "printed no locator"),
        ("printf 'a\\nb'", "printed no locator"),
        ('echo "team:$1"', "without end"),
    ],
)
def test_a_program_that_knows_no_answer_is_told(
    script: str, words: str, tmp_path: Path, programs: Path
) -> None:
    plugin(programs, "team", script)
    with pytest.raises(TemplateError, match=words):
        resolve("team:web", tmp_path)
