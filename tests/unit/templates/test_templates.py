# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from callao.errors import ConfigError, TemplateError
from callao.host import Host, HostUser
from callao.templates import layered, resolve

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("reference", ["debian-12", "template:debian-12", "template://debian-12"])
def test_a_built_in_template_is_found_by_each_of_its_names(reference: str, tmp_path: Path) -> None:
    assert resolve(reference, tmp_path).name == "debian-12"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_file_is_found_by_its_path(form: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.yaml", "cpus: 3\n")
    assert resolve(form.format(path), tmp_path).document == {"cpus": 3}


def test_a_users_own_template_is_found_by_name(tmp_path: Path) -> None:
    write(tmp_path / "_templates" / "mine.yaml", "cpus: 3\n")
    assert resolve("mine", tmp_path).document == {"cpus": 3}


def test_bases_are_less_specific_the_later_they_come(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", "cpus: 1\nmemory: 1GiB\n")
    write(tmp_path / "sub" / "two.yaml", "base: ../three.yaml\ncpus: 2\nmemory: 2GiB\ndisk: 2GiB\n")
    write(tmp_path / "three.yaml", "plain: true\ndisk: 3GiB\n")
    path = write(tmp_path / "t.yaml", "base: [one.yaml, {url: sub/two.yaml}]\ncpus: 9\n")
    assert resolve(str(path), tmp_path).document == {
        "cpus": 9,
        "memory": "1GiB",
        "disk": "2GiB",
        "plain": True,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base: t.yaml\n", "goes in a circle"),
        ("base: missing.yaml\n", r"missing\.yaml.*no file"),
        ("base: nonesuch\n", "nonesuch.*neither built in"),
        ("base: http://127.0.0.1:1/x.yaml\n", "127.0.0.1:1/x.yaml cannot be had.*refused"),
        ("base: github:own er/repo\n", "github:own er/repo.*is no GitHub locator"),
        ("base: ftp://host/x.yaml\n", "ftp://host/x.yaml.*allowed.*https"),
        ("base: {url: t2.yaml, digest: sha256:abc}\n", "no file|sha256:abc"),
        ("base: [7]\n", "base: 7 is not a locator"),
        ("base: {url: x}\n", "is not a locator|no file|neither"),
    ],
)
def test_a_base_that_cannot_be_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.yaml", text)
    with pytest.raises(TemplateError, match=words):
        resolve(str(path), tmp_path)


def test_bases_have_a_bottom(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"{number}.yaml", f"base: {number + 1}.yaml\n")
    with pytest.raises(TemplateError, match="bases deep"):
        resolve(str(tmp_path / "0.yaml"), tmp_path)


@pytest.mark.parametrize(
    "reference", ["nonesuch", "../escape", "template:../x", "", "https://x/y.yaml", "/no/x.yaml"]
)
def test_an_unknown_template_is_named(reference: str, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="template"):
        resolve(reference, tmp_path)


def test_a_template_that_is_not_yaml_says_where(tmp_path: Path) -> None:
    path = write(tmp_path / "t.yaml", "cpus: [1\n")
    with pytest.raises(ConfigError, match=r"t\.yaml:2:1: .*not YAML"):
        resolve(str(path), tmp_path)


def test_the_users_layers_lie_around_a_template(tmp_path: Path) -> None:
    write(tmp_path / "_config" / "override.yaml", "cpus: 1\n")
    write(tmp_path / "_config" / "base.yaml", "memory: 2GiB\ndisk: 2GiB\n")
    write(tmp_path / "_config" / "default.yaml", "disk: 3GiB\nplain: true\n")
    document = layered({"cpus": 9, "message": "hi"}, tmp_path)
    assert document == {"cpus": 1, "message": "hi", "memory": "2GiB", "disk": "2GiB", "plain": True}
    assert layered({"cpus": 9}, tmp_path / "elsewhere") == {"cpus": 9}
