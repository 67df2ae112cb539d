# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: unit tests, ansible-test sanity and integration, on each ansible-core and a Python for it.

``nox`` runs all of it, ``nox -s "release(ansible-core-2.20)"`` one pair. A Python that this machine lacks is
named and left out.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import nox

MATRIX = [
    nox.param("3.11", "2.19", id="ansible-core-2.19"),
    nox.param("3.12", "2.20", id="ansible-core-2.20"),
    nox.param("3.13", "2.21", id="ansible-core-2.21"),
]
DEPENDS = [
    f"tests/unit/{each}"
    for each in (
        "config",
        "connection",
        "devbox",
        "errors",
        "hostagent",
        "inventory",
        "packaging",
        "plugins",
    )
]
"""What another ansible-core or another Python may change."""
STYLE = ("changelog", "pep8", "yamllint")
"""Sanity's tests of how texts are written: on the newest ansible-core alone, since none depends on it."""
ROOT = Path(__file__).parent
LOCK = ROOT / "requirements.txt"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
COLLECTION = Path("ansible_collections/callao/lima")

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"


def pythons_of_pyenv() -> Iterator[str]:
    """The folders of its Pythons; its shims are on the PATH even for a Python that is not active."""
    for path in sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin")):
        yield str(path)


# First the environment that nox itself runs in: a session without one of its own uses that.
os.environ["PATH"] = os.pathsep.join([
    str(Path(sys.executable).parent), *pythons_of_pyenv(), os.environ["PATH"]
])  # fmt: skip
# Each environment is compiled once, not by each program that is started in it.
os.environ["UV_COMPILE_BYTECODE"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def install_locked(session: nox.Session, core: str) -> None:
    """The versions that requirements.txt names for the session's Python, each file verified by its hash."""
    session.install("--require-hashes", "-r", str(LOCK))
    session.install("--no-deps", "--no-build-isolation", "-e", ".")
    asked = "from importlib.metadata import version; print(version('ansible-core'))"
    installed = str(session.run("python", "-c", asked, silent=True)).strip()
    if not installed.startswith(f"{core}."):
        session.error(f"{LOCK.name} has ansible-core {installed}, MATRIX {core}: make them agree.")


@nox.session
@nox.parametrize(["python", "core"], MATRIX)
def unit(session: nox.Session, core: str) -> None:
    """Every unit test."""
    install_locked(session, core)
    session.run("pytest", "tests/unit", "-n", "2", "--dist", "worksteal", "-q", *session.posargs)


def make_release_session(python: str, core: str, name: str) -> None:
    """One for each pair. The pair that .venv has needs no environment of its own."""
    has_it = version("ansible-core").startswith(f"{core}.")

    @nox.session(python=python, name=name, venv_backend="none" if has_it else "uv")
    def release(session: nox.Session) -> None:
        """What depends on ansible-core or on Python's version, and ansible-test, on one of the pairs.

        ``nox -s "release(ansible-core-2.20)" -- sanity`` runs one of the PARTS. They share an environment,
        whose making takes as long as a part.
        """
        if not has_it:
            install_locked(session, core)
        for part in session.posargs or PARTS:
            PARTS[part](session)


for pair in MATRIX:
    make_release_session(*pair.args, name=f"release({pair.id})")


@nox.session(python=[MATRIX[0].args[0], MATRIX[-1].args[0]])
def newest(session: nox.Session) -> None:
    """Every unit test against the newest release of everything, without the lock; names what broke."""
    session.install("--upgrade", "-e", ".", *nox.project.dependency_groups(PROJECT, "test"))
    session.run("python", "scripts/newest.py", str(LOCK), *session.posargs)


def environment(session: nox.Session) -> None:
    """Nothing more than the environment: two runs side by side can use it then (``nox -R``)."""


def depends(session: nox.Session) -> None:
    """The unit tests of what depends on ansible-core or on Python's version."""
    session.run("pytest", *DEPENDS, "-m", "not once", "-n", "2", "--dist", "worksteal", "-q")


def sanity(session: nox.Session) -> None:
    """ansible-test sanity, on what ansible-galaxy would install; there is no list of ignored findings.

    ansible-test makes an environment for each of its tests, from lists of exact versions that ansible-core
    carries; so these follow from the version of ansible-core in the lock.
    """
    newest = session.python == MATRIX[-1].args[0]
    skipped = () if newest else tuple(word for name in STYLE for word in ("--skip-test", name))
    ansible_test(session, "sanity", *skipped)


def integration(session: nox.Session) -> None:
    """The targets of tests/integration, which need no guest, on what ansible-galaxy would install."""
    ansible_test(session, "integration")


PARTS = {"environment": environment, "sanity": sanity, "integration": integration, "depends": depends}


def ansible_test(session: nox.Session, command: str, *words: str) -> None:
    """Run one of ansible-test's commands on the artifact."""
    home = ROOT / ".nox" / "home"
    bootstrap(session, home)
    variables = {"HOME": str(home), "PIP_QUIET": "1"}
    # Away from this tree: in one that git ignores, ansible-test would find nothing to test.
    with tempfile.TemporaryDirectory(prefix="callao-test-") as scratch:
        target = unpacked_artifact(session, Path(scratch))
        session.chdir(target)
        session.run(
            "ansible-test", command, *words, "--color", "no", "--python", str(session.python), env=variables
        )  # fmt: skip
        session.chdir(ROOT)


def unpacked_artifact(session: nox.Session, scratch: Path) -> Path:
    """What ansible-galaxy would install, as an ``ansible_collections`` tree; and how to test it."""
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(scratch), silent=True)
    target = scratch / COLLECTION
    with tarfile.open(next(scratch.glob("*.tar.gz"))) as artifact:
        artifact.extractall(target, filter="data")
    (target / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "config.yml", target / "tests")
    shutil.copytree(ROOT / "tests" / "integration", target / "tests" / "integration")
    return target


def bootstrap(session: nox.Session, home: Path) -> None:
    """Give ansible-test the pip that each Python carries.

    It makes an environment for each of its tests, and fetches get-pip.py for that from a server of its
    own; where the download is already in its cache, it asks nobody.
    """
    where = "import ansible_test._internal.python_requirements as module; print(module.__file__)"
    source = Path(session.run("python", "-c", where, silent=True).strip())
    wanted = re.search(r"\bpip='([\d.]+)'", source.read_text())
    if wanted is None:
        session.error(f"{source} no longer says which pip it wants: correct this function.")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    name = f"get_pip_{wanted[1].replace('.', '_')}.py"
    (cache / name).write_text("import ensurepip\n\nensurepip.bootstrap()\n")
