# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published: a wheel that alone makes the collection work, and a collection to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())


def run(*argv: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ANSIBLE_", "LIMA_", "PYTHON"))
    }
    done = subprocess.run(
        [str(part) for part in argv],
        cwd=cwd,
        env={**kept, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from the sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel; what it requires comes from this one's."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "uv", "pip", "install", "--python", python, "--offline", "--no-deps", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # Only that folder: the .pth files in it, and so an editable install, do not count here.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    run(sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", folder)
    (path,) = folder.glob("*.tar.gz")
    return path


def test_the_wheel_carries_its_own_engine(installed: Path, tmp_path: Path) -> None:
    found = run(installed, "-c", "import callao; print(callao.__file__)", cwd=tmp_path).strip()
    assert Path(found).is_relative_to(installed.parents[1])


def test_the_wheel_carries_the_templates(installed: Path, tmp_path: Path) -> None:
    names = run(installed, "-c", "from callao.templates import names; print(*names())", cwd=tmp_path).split()
    assert {"default", "debian-12", "debian-13"} <= set(names)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("module", "instance"),
        ("module", "instance_info"),
        ("module", "image"),
        ("connection", "instance"),
        ("inventory", "instances"),
        ("role", "devbox"),
    ],
)
def test_ansible_doc_knows_what_the_wheel_brings(
    installed: Path, tmp_path: Path, kind: str, name: str
) -> None:
    argv = ("doc", "--json", "-t", kind, f"callao.lima.{name}")
    shown = json.loads(run(installed, "-m", "ansible", *argv, cwd=tmp_path, HOME=str(tmp_path)))
    assert list(shown) == [f"callao.lima.{name}"]


@pytest.mark.parametrize("playbook", ["site", "down"])
def test_the_wheels_playbooks_are_found_by_name(installed: Path, tmp_path: Path, playbook: str) -> None:
    argv = ("playbook", f"callao.lima.{playbook}", "--syntax-check", "-i", "localhost,")
    assert f"{playbook}.yml" in run(installed, "-m", "ansible", *argv, cwd=tmp_path, HOME=str(tmp_path))


def test_a_module_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    argv = ("adhoc", "localhost", "-m", "callao.lima.instance_info")
    shown = run(
        installed, "-m", "ansible", *argv, cwd=tmp_path, HOME=str(tmp_path), LIMA_HOME=str(tmp_path / "lima")
    )
    assert '"instances": []' in shown


def test_the_artifact_installs(artifact: Path, tmp_path: Path) -> None:
    argv = ("galaxy", "collection", "install", "--offline", "--force", "-p", tmp_path, artifact)
    run(sys.executable, "-m", "ansible", *argv, HOME=str(tmp_path))
    manifest = json.loads((tmp_path / "ansible_collections/callao/lima/MANIFEST.json").read_text())
    assert manifest["collection_info"]["version"] == GALAXY["version"]


def test_the_artifact_has_the_collection_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        top = {name.partition("/")[0] for name in archive.getnames()}
    metadata = {"FILES.json", "MANIFEST.json", "LICENSE", "README.md"}
    assert top == metadata | {"changelogs", "docs", "meta", "playbooks", "plugins", "roles"}


def test_engine_and_collection_have_one_version() -> None:
    from callao import __version__

    assert GALAXY["version"] == __version__
