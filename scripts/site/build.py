# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the documentation site: docs/*.md, plugins and roles by antsibull-docs, every error of the engine.

usage: build.py FOLDER

The site is in FOLDER/html. A warning of Sphinx, such as of a link without its target, is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from errors import page

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
REPOSITORY = "https://github.com/callao/callao/blob/main/"
CHAPTERS = {
    "Begin": ["getting-started", "which-inventory", "from-vagrant", "from-limactl"],
    "Boxes": [
        "lifecycle",
        "lima-yaml",
        "modes",
        "containers",
        "docker",
        "kubernetes",
        "architectures",
        "gpu",
        "agents",
        "shared-directories",
        "port-forwarding",
        "networks",
        "egress",
        "disks",
        "snapshots",
        "golden-image",
        "lock",
    ],
    "Hosts": ["macos", "windows"],
    "Tests": ["molecule", "testing", "ci"],
    "Look up": [
        "command-line",
        "environment",
        "troubleshooting",
        "errors",
        "secrets",
        "security",
        "execution-environment",
    ],
    "Change Callao": ["architecture", "protocols"],
}
"""Pages that come first in their chapter; those of docs/ that no chapter names follow in the last."""


def main(target: Path) -> None:
    source = target / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("ansible.rst"), source)
    pages(source)
    collection(source / "collection")
    argv = [
        "-b",
        "html",
        "-c",
        str(Path(__file__).parent),
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        "--jobs",
        "2",
    ]
    subprocess.run([BIN / "sphinx-build", *argv, source, target / "html"], check=True)


def pages(source: Path) -> None:
    shutil.copytree(ROOT / "docs", source, dirs_exist_ok=True)
    for path in source.glob("*.md"):
        path.write_text(outside(path.read_text(), ""))
    (source / "errors.md").write_text(page(ROOT / "src" / "callao"))
    readme = (ROOT / "README.md").read_text().replace("](docs/", "](")
    named = {name for names in CHAPTERS.values() for name in names}
    rest = sorted(path.stem for path in source.glob("*.md") if path.stem not in named)
    trees = [
        *(tree(chapter, names) for chapter, names in CHAPTERS.items()),
        *([tree("More", rest)] if rest else []),
        tree("Collection", ["collection/index", "ansible"]),
    ]
    (source / "index.md").write_text(outside(readme, "") + "\n" + "\n".join(trees))


def outside(text: str, folder: str) -> str:
    """Links to files that are no pages lead to the repository; the README is the site's first page."""
    text = text.replace("](../README.md", "](index.md")
    return re.sub(
        r"\]\((?:\.\./)?(CONTRIBUTING\.md|(?:tests|src|extensions|examples|changelogs)/)",
        rf"]({REPOSITORY}{folder}\1",
        text,
    )


def tree(caption: str, names: list[str]) -> str:
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""])


def collection(folder: Path) -> None:
    folder.mkdir()
    argv = ["--use-current", "--fail-on-error", "--squash-hierarchy", "--no-breadcrumbs"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".dev")}
    program = [BIN / "antsibull-docs", "collection", *argv, "--dest-dir", folder, "callao.lima"]
    subprocess.run(program, check=True, env=environment)
    for path in folder.glob("*.rst"):
        path.write_text(here(path.read_text()))


def here(page: str) -> str:
    """antsibull-docs' page as this site has it: the theme lists the sections, and Galaxy has no release."""
    page = re.sub(r"^\.\. contents::\n(?: +:.*\n)*", "", page, flags=re.MULTILINE)
    page = re.sub(
        r"To install it,? use: :code:`ansible\\-galaxy collection install callao\.lima`\.",
        "It comes with the Python package ``callao``, see :doc:`/getting-started`.",
        page,
    )
    return re.sub(
        r"`callao\.lima collection <https://galaxy\.ansible\.com/[^>]*>`_",
        ":doc:`callao.lima collection <index>`",
        page,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
