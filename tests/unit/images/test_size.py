# SPDX-License-Identifier: GPL-3.0-or-later
"""A file's size, asked of its server without fetching it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from images.conftest import Server, sha256

from callao.errors import DigestMismatch, DownloadError, ImageError
from callao.images import cached_file, import_file
from callao.images.size import size_of


def test_a_server_is_asked_by_head_and_one_that_knows_none_another_way(server: Server) -> None:
    assert size_of(server.serve("/disk", b"x" * 70000)) == 70000
    assert server.requests == []
    assert size_of(server.serve("/old", b"x" * 70000, knows_no_head=True)) == 70000
    assert [path for path, _ in server.requests] == ["/old"]


def test_a_local_file_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"12345")
    assert size_of(str(tmp_path / "disk")) == 5
    with pytest.raises(DownloadError, match="No such file"):
        size_of(str(tmp_path / "gone"))


def test_redirects_and_proxies_are_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve("/there", b"123")
    assert size_of(server.serve("/here", b"", status=302, location="/there")) == 3
    monkeypatch.setenv("http_proxy", server.url(""))
    assert size_of("http://elsewhere.invalid/there") == 3


def test_what_is_not_there_is_told(server: Server) -> None:
    with pytest.raises(DownloadError, match="HTTP status 404"):
        size_of(server.url("/gone"))
    with pytest.raises(DownloadError, match="refused"):
        size_of("http://127.0.0.1:1/x")


def test_what_came_another_way_is_kept_as_a_download_would_be(tmp_path: Path) -> None:
    url = "https://example.com/disk"
    path = import_file(url, io.BytesIO(b"disk"), sha256(b"disk"), tmp_path)
    found = cached_file(url, sha256(b"disk"), tmp_path)
    assert found is not None
    assert found.path == path
    with pytest.raises(DigestMismatch):
        import_file(url, io.BytesIO(b"other"), sha256(b"wanted"), tmp_path)
    assert path.read_bytes() == b"disk"
    (tmp_path / "_cache").rename(tmp_path / "moved")
    (tmp_path / "_cache").write_text("in the way")
    with pytest.raises(ImageError, match="cannot be kept"):
        import_file(url, io.BytesIO(b"disk"), sha256(b"disk"), tmp_path)
