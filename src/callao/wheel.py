# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a wheel of the running engine, to install it on another machine: ``python -m callao.wheel FOLDER``.

An installed distribution is packed again from its own files, which needs no build system and no network. An
editable install has a source tree in their place, and the wheel is built from that.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from callao.atomic import put_in_place
from callao.errors import CallaoError

_INSTALLER_FILES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""The files that an installer adds to the dist-info folder of a wheel."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The modification time of each file in the wheel: constant, so that builds are reproducible."""


def wheel_of_engine(folder: Path) -> Path:
    """Write the wheel into ``folder``, which is made when it is missing.

    :raises CallaoError: when the engine is not installed as a distribution, or its source cannot be built.
    """
    try:
        engine = distribution("callao")
    except PackageNotFoundError as error:
        raise CallaoError(
            f"no wheel of the engine: {sys.executable} has callao in a folder that no installer has made.",
            hint="Install it with pip.",
        ) from error
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder) as staging:
        source = _editable(engine)
        made = (
            _pack_installed(engine, Path(staging))
            if source is None
            else _build_from_source(source, Path(staging))
        )
        target = folder / made.name
        put_in_place(made, target)
    return target


def _editable(engine: Distribution) -> Path | None:
    """The source tree of an editable install."""
    origin = json.loads(engine.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _build_from_source(source: Path, folder: Path) -> Path:
    if find_spec("hatchling") is not None:
        argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    else:
        argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    done = subprocess.run(argv, cwd=source, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        output = (done.stderr or done.stdout).strip()[-500:]
        raise CallaoError(
            f"no wheel of the engine: {source} cannot be built: {output}",
            hint=f"Install hatchling under {sys.executable}, or install callao itself without --editable.",
        )
    return wheels[0]


def _pack_installed(engine: Distribution, folder: Path) -> Path:
    info = f"callao-{engine.version}.dist-info"
    path = folder / f"callao-{engine.version}-py3-none-any.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(_wheel_files(engine, info)):
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"sha256={digest}", len(content)])
            archive.writestr(_entry(name), content)
        rows.writerow([f"{info}/RECORD", "", ""])
        archive.writestr(_entry(f"{info}/RECORD"), record.getvalue())
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry


def _wheel_files(engine: Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    """The files for the wheel, without compiled files and scripts, which an installer makes itself."""
    for file in engine.files or ():
        name = file.as_posix()
        added = name.startswith(info) and file.name in _INSTALLER_FILES
        if not name.startswith("..") and file.suffix != ".pyc" and not added:
            yield name, Path(os.fspath(file.locate())).read_bytes()


def main(argv: list[str]) -> int:
    """Print the wheel's path, the engine's version, and the file's digest, as JSON."""
    (folder,) = argv
    try:
        path = wheel_of_engine(Path(folder).expanduser())
    except (CallaoError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the role shows it
        return 1
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    version = path.name.split("-")[1]
    print(json.dumps({"path": str(path), "version": version, "sha256": digest}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
