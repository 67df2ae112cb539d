# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads by a proxy that the environment names."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from images.conftest import BODY, Server, get, sha256

from callao.errors import DownloadError


def test_the_proxy_of_the_environment_is_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve("/a.img", BODY)
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{server.port}")
    assert get("http://elsewhere.invalid/a.img", tmp_path, sha256(BODY)) == BODY
    assert server.requests[0][0] == "http://elsewhere.invalid/a.img"
    assert server.proxy_authorization == ["Basic " + base64.b64encode(b"user:p@ss").decode()]


def test_a_proxy_that_is_away_is_told_in_a_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
    with pytest.raises(DownloadError, match=r"elsewhere\.invalid/a\.img .*proxy.*refused") as caught:
        get("http://elsewhere.invalid/a.img", tmp_path)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize(
    "excepted", ["127.0.0.1", "127.0.0.1:{port}", "*", "localhost, 127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"]
)
def test_no_proxy_is_respected(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    url = server.serve("/a.img", BODY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", excepted.format(port=server.port))
    assert get(url, tmp_path, sha256(BODY)) == BODY
