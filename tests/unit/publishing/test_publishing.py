# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with a release: Galaxy's import, an execution environment, its notes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import yaml
from support.release import ROOT, run

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
BIN = Path(sys.executable).parent
IMPORTER = """
[galaxy-importer]
CHECK_REQUIRED_TAGS = True
RUN_ANSIBLE_DOC = True
RUN_ANSIBLE_LINT = False
"""
"""``make lint`` runs ansible-lint, and ruff with what flake8 finds."""


def test_galaxy_imports_the_artifact(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "importer.cfg").write_text(IMPORTER)
    # ansible-doc finds nothing but the artifact: an editable install would show the tree.
    path = f"{BIN}:/usr/bin:/bin"
    environment = {
        "GALAXY_IMPORTER_CONFIG": str(tmp_path / "importer.cfg"),
        "HOME": str(tmp_path),
        "PATH": path,
    }
    run(sys.executable, "-m", "galaxy_importer.main", artifact, cwd=tmp_path, **environment)
    found = json.loads((tmp_path / "importer_result.json").read_text())
    contents = found["docs_blob"]["contents"]
    explained = {
        (each["content_type"], each["content_name"])
        for each in contents
        if each["doc_strings"] or each["readme_html"]
    }
    assert explained == {
        ("connection", "instance"),
        ("connection", "wsl"),
        ("filter", "beside_playbook"),
        ("inventory", "instances"),
        ("lookup", "containerd_archive"),
        *(("module", path.stem) for path in (ROOT / "plugins/modules").glob("*.py")),
        *(("role", path.name) for path in (ROOT / "roles").iterdir()),
    }


def test_an_execution_environment_gets_the_engine_and_ssh(unpacked: Path, tmp_path: Path) -> None:
    files = ["--write-pip", tmp_path / "pip.txt", "--write-bindep", tmp_path / "bindep.txt"]
    run(BIN / "ansible-builder", "introspect", unpacked, *files)
    assert f"callao=={VERSION}  # from collection callao.lima" in (tmp_path / "pip.txt").read_text()
    assert "openssh-client [platform:dpkg]" in (tmp_path / "bindep.txt").read_text()


def test_the_documented_execution_environment_has_a_build_context(artifact: Path, tmp_path: Path) -> None:
    blocks = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs/execution-environment.md").read_text(), re.DOTALL
    )
    (text,) = [block for block in blocks if block.startswith("# execution-environment.yml")]
    (tmp_path / "execution-environment.yml").write_text(text)
    shutil.copy(artifact, tmp_path / f"callao-lima-{VERSION}.tar.gz")
    (tmp_path / f"callao-{VERSION}-py3-none-any.whl").touch()
    argv = ("create", "--context", "context", "--output-filename", "Containerfile")
    run(BIN / "ansible-builder", *argv, cwd=tmp_path)
    containerfile = (tmp_path / "context/Containerfile").read_text()
    build = tmp_path / "context/_build"
    assert "introspect.py" in containerfile
    assert containerfile.count("ENV PIP_FIND_LINKS=/dist") == 2
    assert f"dist/callao-lima-{VERSION}.tar.gz" in (build / "requirements.yml").read_text()
    assert sorted(path.name for path in (build / "dist").iterdir()) == [
        f"callao-{VERSION}-py3-none-any.whl",
        f"callao-lima-{VERSION}.tar.gz",
    ]


def test_the_release_notes_are_made_of_the_fragments(tmp_path: Path) -> None:
    copy = tmp_path / "ansible_collections/callao/lima"
    for name in ("Makefile", "galaxy.yml", "changelogs", "meta", "playbooks", "plugins", "roles"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _ready(copy / name))
    fragments = [yaml.safe_load(path.read_text()) for path in (copy / "changelogs/fragments").iterdir()]
    run("make", "-o", "bootstrap-test", "release-notes", f"BIN={BIN}", cwd=copy)
    notes = (copy / "CHANGELOG.rst").read_text()
    assert f"\nv{VERSION}\n" in notes
    assert "- callao.lima.instance - " in notes
    words = re.sub(r"\s+", " ", notes)
    for fragment in fragments:
        for section, entries in fragment.items():
            for entry in [entries] if isinstance(entries, str) else entries:
                assert section == "trivial" or re.sub(r"\s+", " ", entry).strip() in words
    assert list((copy / "changelogs/fragments").iterdir()) == []
    run(BIN / "antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml", cwd=copy)


def _ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
