# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what a terminal shows of real runs, for the README and the guides, into docs/pictures.

usage: draw.py [NAME...]

Each command runs in a pseudo-terminal, on guests of the golden image, which is built first where there
is none. The commands see a file system of their own, in which the user is ana, with a home of that name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from scenes import SCENES, Scene
from surroundings import HOME, dress, enter
from terminal import draw, run

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
INSIDE = "--inside"


def main(names: list[str]) -> None:
    """Builds the image, and draws the scenes in namespaces of their own."""
    said = subprocess.run(
        [sys.executable, "-m", "callao.golden", "--release", "12"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    image = json.loads(said.stdout)["image"]
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="callao-") as folder:
        enter([sys.executable, __file__, INSIDE, folder, image, *names])


def inside(folder: Path, image: Path, names: list[str]) -> None:
    environment = dress(folder, ROOT, image)
    for scene in SCENES:
        if not names or scene.name in names:
            (PICTURES / f"{scene.name}.svg").write_text(picture(scene, environment), encoding="utf-8")


def picture(scene: Scene, environment: dict[str, str]) -> str:
    """What the terminal shows once all of the scene's commands have run."""
    folder = HOME / scene.folder
    for name, text in scene.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for argv in scene.before:
        subprocess.run(argv, cwd=folder, env=environment, check=True)
    try:
        shown = [run(command, folder, environment) for command in scene.commands]
    finally:
        for argv in scene.after:
            subprocess.run(argv, cwd=folder, env=environment, check=False)
    return draw(scene.name, scene.title, shown)


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        inside(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    else:
        main(sys.argv[1:])
