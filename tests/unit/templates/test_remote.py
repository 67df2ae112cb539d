# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates from a server, by GitHub's locators, and scripts kept in files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from images.conftest import Server, serving, sha256

from callao.errors import ConfigError, TemplateError
from callao.offline import NetworkAccess
from callao.templates import resolve
from callao.templates.find import find
from callao.templates.github import parse_github

RAW = "https://raw.githubusercontent.com"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as told:
        yield told


@pytest.mark.parametrize(
    ("locator", "url"),
    [
        ("github:lima-vm/lima", f"{RAW}/lima-vm/lima/HEAD/.lima.yaml"),
        ("github:lima-vm", f"{RAW}/lima-vm/lima-vm/HEAD/.lima.yaml"),
        ("github:lima-vm//docker", f"{RAW}/lima-vm/lima-vm/HEAD/docker.yaml"),
        ("github:o/r/templates/docker", f"{RAW}/o/r/HEAD/templates/docker.yaml"),
        ("github:o/r/templates/docker.yml@v2.1", f"{RAW}/o/r/v2.1/templates/docker.yml"),
        ("github:o/r@feature/x", f"{RAW}/o/r/feature/x/.lima.yaml"),
        ("github://o/r/a b.yaml", f"{RAW}/o/r/HEAD/a%20b.yaml"),
        ("GitHub:o/r/dir/", f"{RAW}/o/r/HEAD/dir/.lima.yaml"),
        ("github:o/r/dir/.box", f"{RAW}/o/r/HEAD/dir/.box.yaml"),
        ("github:o/r/v1.2", f"{RAW}/o/r/HEAD/v1.2"),
        ("github:o/r/a/../b/./c", f"{RAW}/o/r/HEAD/b/c.yaml"),
        ("github:o/r/x?y=1#z", f"{RAW}/o/r/HEAD/x.yaml"),
        ("github:o/r/x@", f"{RAW}/o/r/HEAD/x.yaml"),
        ("github:o/r/%2e%2e/x", f"{RAW}/o/r/HEAD/%252e%252e/x.yaml"),
    ],
)
def test_a_github_locator_is_a_raw_url(locator: str, url: str, tmp_path: Path) -> None:
    assert parse_github(locator).url == url
    assert find(locator, tmp_path).url == url


@pytest.mark.parametrize(
    "locator",
    [
        "github:",
        "github:-o/r",
        "github:o r",
        "github:o/..",
        "github:o/./x",
        "github:o/r/../../x",
        "github:o/r/a/../../x",
        "github:o/r//x",
        "github:o/r/x@../../other/repo/branch",
        "github:o/r/x@v1/../../../other/repo/main",
        "github:o/r/x@/../../../other/repo/main",
    ],
)
def test_what_is_no_github_locator_is_refused(locator: str) -> None:
    with pytest.raises(TemplateError, match=r"is no GitHub locator.*allowed"):
        parse_github(locator)


def test_a_template_and_its_bases_come_from_one_server(server: Server, tmp_path: Path) -> None:
    server.serve("/box/web.yaml", b"base: [common.yaml, /more.yaml]\ncpus: 2\n")
    server.serve("/box/common.yaml", b"memory: 1GiB\nprovision: [{file: setup.sh}]\n")
    server.serve("/box/sub/more.yaml", b"disk: 5GiB\n")
    server.serve("/box/setup.sh", b"#!/bin/sh\ntrue\n")
    with pytest.raises(TemplateError, match=r"more\.yaml.*remote template cannot name a file"):
        resolve(server.url("/box/web.yaml"), tmp_path)
    server.serve("/box/web.yaml", b"base: [common.yaml, sub/more.yaml]\ncpus: 2\n")
    resolved = resolve(server.url("/box/web.yaml"), tmp_path)
    assert resolved.name == "web"
    assert resolved.document == {
        "cpus": 2,
        "memory": "1GiB",
        "disk": "5GiB",
        "provision": [{"script": "#!/bin/sh\ntrue\n"}],
    }
    assert [source.location.rpartition("/")[2] for source in resolved.sources] == [
        "web.yaml",
        "common.yaml",
        "setup.sh",
        "more.yaml",
    ]


def test_a_changed_template_is_seen_and_offline_the_last_one_serves(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.yaml", b"cpus: 1\n")
    assert resolve(url, tmp_path).document == {"cpus": 1}
    server.serve("/a.yaml", b"cpus: 2\n")
    assert resolve(url, tmp_path).document == {"cpus": 2}
    server.resources.clear()
    assert resolve(url, tmp_path, access=NetworkAccess.OFFLINE).document == {"cpus": 2}
    with pytest.raises(TemplateError, match="404"):
        resolve(url, tmp_path)
    with pytest.raises(TemplateError, match="offline mode forbids"):
        resolve(server.url("/b.yaml"), tmp_path, access=NetworkAccess.OFFLINE)


def test_a_base_with_a_digest_is_verified_and_cached(server: Server, tmp_path: Path) -> None:
    body = b"cpus: 3\n"
    url = server.serve("/base.yaml", body)
    path = tmp_path / "t.yaml"
    path.write_text(f"base: [{{url: '{url}', digest: '{sha256(body)}'}}]\n")
    for _ in range(2):
        assert resolve(str(path), tmp_path).document == {"cpus": 3}
    assert len(server.requests) == 1
    path.write_text(f"base: [{{url: '{url}', digest: '{sha256(b'other')}'}}]\n")
    with pytest.raises(TemplateError, match="digest"):
        resolve(str(path), tmp_path)


def test_a_local_base_with_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("cpus: 1\n")
    (tmp_path / "t.yaml").write_text(f"base: [{{url: base.yaml, digest: '{sha256(b'x')}'}}]\n")
    with pytest.raises(TemplateError, match=r"base\.yaml: its digest is sha256:.*was expected"):
        resolve(str(tmp_path / "t.yaml"), tmp_path)


def test_a_symbolic_link_on_github_is_followed(server: Server, tmp_path: Path) -> None:
    url = server.serve("/.lima.yaml", b"templates/real.yaml")
    server.serve("/templates/real.yaml", b"cpus: 7\n")
    assert resolve(url, tmp_path).document == {"cpus": 7}


@pytest.fixture
def github(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr("callao.templates.github._RAW", server.url("/raw"))
    return server


def test_a_link_of_a_repository_is_followed_and_so_is_what_lies_beside_it(
    github: Server, tmp_path: Path
) -> None:
    github.serve("/raw/o/r/v1/.lima.yaml", b"templates/real.yaml")
    github.serve("/raw/o/r/v1/templates/real.yaml", b"base: low.yaml\n")
    github.serve("/raw/o/r/v1/templates/low.yaml", b"cpus: 7\n")
    assert resolve("github:o/r@v1", tmp_path).document == {"cpus": 7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"../x.yaml", "leads out of the repository"),
        (b"../../../../other/repo/HEAD/evil.yaml", "leads out of the repository"),
        (b"/evil.yaml", "leads out of the repository"),
        (b"github:evil/o/x", "sends to 'github:evil/o/x'"),
        (b"github:o/../evil/x", "is no GitHub locator"),
        (b"github:o/r/x@v1", "without @REF"),
    ],
)
def test_nothing_leads_out_of_a_repository(github: Server, text: bytes, words: str, tmp_path: Path) -> None:
    github.serve("/raw/o/o/HEAD/.lima.yaml", text)
    github.serve("/raw/other/repo/HEAD/evil.yaml", b"cpus: 1\n")
    with pytest.raises(TemplateError, match=words):
        resolve("github:o", tmp_path)
    assert len(github.requests) == 1


def test_an_owners_namesake_repository_sends_to_others_of_the_owner(github: Server, tmp_path: Path) -> None:
    github.serve("/raw/o/o/HEAD/box.yaml", b"github:o/r/dir/\n# Moved there.\n")
    github.serve("/raw/o/r/HEAD/dir/.lima.yaml", b"cpus: 1\n")
    github.serve("/raw/o/r/v2/dir/.lima.yaml", b"cpus: 2\n")
    assert resolve("github:o//box", tmp_path).document == {"cpus": 1}
    assert resolve("github:o//box@v2", tmp_path).document == {"cpus": 2}
    github.serve("/raw/o/r/HEAD/box.yaml", b"github:o/s/x\n")
    with pytest.raises(ConfigError, match="is not a mapping"):
        resolve("github:o/r/box", tmp_path)


@pytest.mark.parametrize("access", [NetworkAccess.ONLINE, NetworkAccess.OFFLINE])
@pytest.mark.parametrize("key", ["base: ", "provision: [{file: ", "probes: [{file: "])
@pytest.mark.parametrize("path", ["file://", ""])
def test_a_remote_template_names_no_file_of_this_machine(
    server: Server, access: NetworkAccess, key: str, path: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("cpus: 3\n")
    end = "}]\n" if "{" in key else "\n"
    url = server.serve("/t.yaml", f"{key}{path}{secret}{end}".encode())
    with pytest.raises(TemplateError, match="a remote template cannot name a file of this machine"):
        resolve(url, tmp_path)
    with pytest.raises(TemplateError, match="a remote template cannot name a file of this machine"):
        resolve(url, tmp_path, access=access)


def test_a_text_of_one_line_is_no_link_where_a_script_belongs(server: Server, tmp_path: Path) -> None:
    url = server.serve("/t.yaml", b"provision: [{file: s.sh}]\n")
    server.serve("/s.sh", b"true")
    assert resolve(url, tmp_path).document == {"provision": [{"script": "true"}]}


def test_circles_over_the_network_are_told(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.yaml", b"base: b.yaml\n")
    server.serve("/b.yaml", b"base: a.yaml\n")
    with pytest.raises(TemplateError, match="cycle"):
        resolve(url, tmp_path)


@pytest.mark.parametrize("mode", ["system", "data", "yq"])
def test_files_are_taken_into_the_field_of_their_mode(mode: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "text").write_text("hello")
    (tmp_path / "sub" / "t.yaml").write_text(f"provision: [{{mode: {mode}, file: {{url: text}}}}]\n")
    field = {"system": "script", "data": "content", "yq": "expression"}[mode]
    assert resolve(str(tmp_path / "sub" / "t.yaml"), tmp_path).document["provision"] == [
        {"mode": mode, field: "hello"}
    ]


def test_a_file_beside_a_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("probes: [{script: '#!/bin/sh', file: x}]\n")
    with pytest.raises(TemplateError, match=r"probes\[0\]: has both script and file"):
        resolve(str(tmp_path / "t.yaml"), tmp_path)


def test_a_template_too_large_to_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"#" * (5 * 2**20))
    with pytest.raises(TemplateError, match="larger than 4 MiB"):
        resolve(str(tmp_path / "t.yaml"), tmp_path)


def test_a_template_too_large_to_be_one_is_not_fetched_to_its_end(server: Server, tmp_path: Path) -> None:
    url = server.serve("/t.yaml", b"#" * (6 * 2**20), chunked=True)
    with pytest.raises(TemplateError, match="is larger than 4MiB"):
        resolve(url, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 2**20] == []


def test_users_templates_come_first_and_may_lie_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "debian-12.yaml").write_text("cpus: 1\n")
    assert resolve("debian-12", tmp_path).document["images"]
    monkeypatch.setenv("LIMA_TEMPLATES_PATH", str(tmp_path / "mine"))
    assert resolve("debian-12", tmp_path).document == {"cpus": 1}
