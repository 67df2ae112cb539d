# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``locators``: what a template, a base, a script's file or an image may be named by.

``@DIR@`` is the folder of the case's files; what begins with ``_templates`` or ``_config`` lies in
``LIMA_HOME``. ``net`` is all of the network that there is.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

from callao.cli.commands.create import instance_name
from callao.config import check_name
from callao.errors import DownloadError
from callao.images import CachedFile
from callao.templates import resolve, with_override_files
from support.corpus.canonical import canonical
from support.corpus.documents import compared
from support.corpus.host import filled
from support.corpus.verdict import Verdict, attempt, wanted, wanted_taken

_FOLDER = "/home/ana/t"
_SPOKEN = "vnc archives containerd"


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    here = _placed(case, folder)
    with _world(case, folder, here):
        if case["kind"] in ("base", "file"):
            return compared(case, lambda: _complete(folder, here), str(case["files"]))
        taken, locator = wanted_taken(case), case["locator"].replace("@DIR@", str(here))
        if case["kind"] == "github":
            expected: Any = case.get("url")
            given = attempt(lambda: _url(locator, folder / "home", case))
        else:
            document = wanted(case, "document")
            expected = (case.get("instance"), canonical(document, text=_SPOKEN)) if document else None
            given = attempt(lambda: _started(locator, folder / "home", here))
        if taken and expected is None and given.taken:
            given = Verdict(True)
        return Verdict(taken, expected if taken else None, case.get("why", "")), given


def _placed(case: dict[str, Any], folder: Path) -> Path:
    here, home = folder / "t", folder / "home"
    here.mkdir(parents=True)
    home.mkdir()
    for name, text in case.get("files", {}).items():
        path = (home if name.startswith(("_templates/", "_config/")) else here) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@DIR@", str(here)), encoding="utf-8")
    return here


@contextmanager
def _world(case: dict[str, Any], folder: Path, here: Path) -> Iterator[None]:
    """The case's network, current directory and home."""
    net, branch = case.get("net", {}), case.get("branch", "main")

    def fetched(location: str, **_: Any) -> CachedFile:
        url = location.replace("/HEAD/", f"/{branch}/")
        if url not in net:
            raise DownloadError(f"{url}: 404")
        data = net[url].encode()
        path = folder / hashlib.sha256(url.encode()).hexdigest()
        path.write_bytes(data)
        return CachedFile(path, url, "", from_cache=False, size=len(data))

    before = Path.cwd()
    os.chdir(here)
    try:
        with (
            mock.patch("callao.images.fetch", fetched),
            mock.patch("callao.images.fetch_latest", fetched),
            mock.patch.dict(os.environ, {"HOME": str(folder)}),
        ):
            yield
    finally:
        os.chdir(before)


def _complete(folder: Path, here: Path) -> dict[str, Any]:
    home = folder / "home"
    return filled(with_override_files(resolve(str(here / "x.yaml"), home).document, home))


def _started(locator: str, home: Path, here: Path) -> tuple[str, dict[str, Any]]:
    resolved = resolve(locator, home)
    check_name(instance_name(resolved))
    text = repr(canonical(resolved.document, text=_SPOKEN)).replace(str(here), _FOLDER)
    document: dict[str, Any] = ast.literal_eval(text)
    return instance_name(resolved), document


def _url(locator: str, home: Path, case: dict[str, Any]) -> str:
    """Where the text came from in the end: behind GitHub's links."""
    last = resolve(locator, home).sources[-1].location
    return unquote(last).replace("/HEAD/", f"/{case.get('branch', 'main')}/")
