# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from callao.errors import ConfigError, TemplateError
from callao.host import Host, HostUser
from callao.templates import resolve, resolve_text, with_override_files

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


def test_documents_behind_the_first_are_told_of_a_template_and_of_its_bases(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", "disk: 9GiB\n---\nmemory: 1GiB\n")
    path = write(tmp_path / "t.yaml", "base: base.yaml\ncpus: 3\n---\ncpus: 4\n")
    resolved = resolve(str(path), tmp_path)
    assert resolved.document == {"cpus": 3, "disk": "9GiB"}
    assert resolved.notices == tuple(
        f"{each}: only the first YAML document is read; the others have no effect." for each in (path, base)
    )
    assert resolve_text("cpus: 1\n---\n", "-", tmp_path).notices != ()


def test_a_users_own_template_is_found_by_name(tmp_path: Path) -> None:
    write(tmp_path / "_templates" / "mine.yaml", "cpus: 3\n")
    assert resolve("mine", tmp_path).document == {"cpus": 3}


def test_bases_are_less_specific_the_later_they_come(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", "cpus: 1\nmemory: 1GiB\n")
    write(tmp_path / "sub" / "two.yaml", "base: three.yaml\ncpus: 2\nmemory: 2GiB\ndisk: 2GiB\n")
    write(tmp_path / "sub" / "three.yaml", "plain: true\ndisk: 3GiB\n")
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
        ("base: t.yaml\n", "forms a cycle"),
        ("base: missing.yaml\n", r"missing\.yaml.*no file"),
        ("base: nonesuch\n", "nonesuch.*neither built in"),
        ("base: http://127.0.0.1:1/x.yaml\n", "127.0.0.1:1/x.yaml is not available.*refused"),
        ("base: github:own er/repo\n", "github:own er/repo.*is no GitHub locator"),
        ("base: ftp://host/x.yaml\n", "ftp://host/x.yaml.*allowed.*https"),
        ("base: [{url: t2.yaml, digest: sha256:abc}]\n", "no file|sha256:abc"),
        ("base: ../t.yaml\n", r"'\.\./t\.yaml' is no locator here.*without '\.\.'"),
        ("base: sub/../t2.yaml\n", "is no locator here"),
        ("base: file://t2.yaml\n", "is no absolute path"),
        ("base: [template:debian-12, debian-12]\n", "'debian-12' is listed twice"),
        ("base: [7]\n", "base: 7 is not a locator"),
        ("base: {url: t2.yaml}\n", r"a map is not allowed alone.*a list of \{url, digest\}"),
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
    write(tmp_path / "_config" / "override.yaml", "cpus: 1\nmessage: theirs\n")
    write(tmp_path / "_config" / "base.yaml", "memory: 2GiB\ndisk: 2GiB\n")
    write(tmp_path / "_config" / "default.yaml", "base: nowhere\ndisk: 3GiB\nplain: true\n")
    template = resolve_text("{cpus: 9, message: hi}", "-", tmp_path).document
    document = with_override_files(template, tmp_path)
    assert document == {"cpus": 1, "message": "hi", "memory": "2GiB", "disk": "2GiB", "plain": True}
    assert with_override_files({"cpus": 9}, tmp_path / "elsewhere") == {"cpus": 9}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("web.yaml", "web"),
        ("Web.YAML", "web"),
        ("a.b.yml", "a.b"),
        ("x.yaml.yml", "x"),
        ("x.yml.yaml", "x.yml"),
        ("web.txt", "web.txt"),
        ("plain", "plain"),
        (".hid.yaml", ".hid"),
    ],
)
def test_an_instance_is_called_after_its_templates_file(file: str, name: str, tmp_path: Path) -> None:
    assert resolve(str(write(tmp_path / file, "cpus: 1\n")), tmp_path).name == name


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("template:mine", "mine"),
        ("template://mine", "mine"),
        ("template:///mine", "mine"),
        ("TEMPLATE:./mine#x", "mine"),
        ("template:mine.yaml?x=1", "mine"),
        ("template:v1.2", "v1.2"),
        ("template:set/inner", "inner"),
        ("template:other.yml", "other"),
        ("set/inner", "inner"),
    ],
)
def test_a_users_template_is_found_by_each_of_its_names(reference: str, name: str, tmp_path: Path) -> None:
    for file in ("mine.yaml", "v1.2.yaml", "set/inner.yaml", "other.yml"):
        write(tmp_path / "_templates" / file, f"message: {file}\n")
    assert resolve(reference, tmp_path).name == name


@pytest.mark.parametrize(
    "reference", ["template:other", "template:a/../mine", "template:mine.txt", "template:mine/", "template:"]
)
def test_no_other_name_finds_one(reference: str, tmp_path: Path) -> None:
    for file in ("mine.yaml", "other.yml"):
        write(tmp_path / "_templates" / file, "cpus: 1\n")
    with pytest.raises(TemplateError, match="is neither built in nor in"):
        resolve(reference, tmp_path)


def test_a_mistyped_name_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        resolve("debain-12", tmp_path)
    assert (caught.value.hint or "").startswith("Did you mean 'debian-12' or 'debian-13' or ")
    with pytest.raises(TemplateError, match=r"Built in are: agent, almalinux, .* or give a file's path"):
        resolve("nothing-like-it", tmp_path)


def test_what_stands_beside_a_named_template_is_found_in_any_folder_of_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMA_TEMPLATES_PATH", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    write(tmp_path / "a" / "set" / "up.yaml", "base: low\nprovision: [{file: s.sh}]\n")
    write(tmp_path / "b" / "set" / "low.yaml", "cpus: 3\n")
    write(tmp_path / "b" / "set" / "s.sh", "true\n")
    assert resolve("template:set/up", tmp_path).document == {"cpus": 3, "provision": [{"script": "true\n"}]}


def test_any_file_beside_a_template_is_one_of_its_bases(tmp_path: Path) -> None:
    write(tmp_path / "note.txt", "cpus: 5\n")
    write(tmp_path / "debian-12", "memory: 1GiB\n")
    path = write(tmp_path / "t.yaml", "base: [note.txt, debian-12]\n")
    assert resolve(str(path), tmp_path).document == {"cpus": 5, "memory": "1GiB"}


@pytest.mark.parametrize(
    ("mode", "field"),
    [("system", "script"), ("data", "content"), ("yq", "expression"), ("ansible", "script")],
)
def test_a_file_becomes_the_text_of_its_mode(mode: str, field: str, tmp_path: Path) -> None:
    write(tmp_path / "s.sh", "echo hi\n")
    path = write(tmp_path / "t.yaml", f"provision: [{{mode: {mode}, file: s.sh}}]\n")
    embedded = {"mode": mode, field: "echo hi\n"}
    assert resolve(str(path), tmp_path).document == {"provision": [embedded]}


@pytest.mark.parametrize("url", ["template:s.sh", "file://@/s.sh", "@/s.sh", "s.sh"])
def test_a_script_is_found_by_every_kind_of_locator(url: str, tmp_path: Path) -> None:
    write(tmp_path / "_templates" / "s.sh", "echo hi\n")
    write(tmp_path / "s.sh", "echo hi\n")
    path = write(tmp_path / "t.yaml", f"provision: [{{file: '{url.replace('@', str(tmp_path))}'}}]\n")
    assert resolve(str(path), tmp_path).document == {"provision": [{"script": "echo hi\n"}]}
