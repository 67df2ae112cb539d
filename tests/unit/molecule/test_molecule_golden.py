# SPDX-License-Identifier: GPL-3.0-or-later
"""A golden image in the place of one that cannot be fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.errors import DigestMismatch, DownloadError, ImageError
from callao.events import Event, EventState
from callao.golden import recipe
from callao.golden.recipe import recipe_key
from callao.host import Host
from callao.lifecycle import Request
from callao.molecule.golden import with_golden_image
from callao.offline import NetworkAccess

HOST = Host.detect()
GONE = DownloadError("https://cloud.debian.org/x.qcow2 cannot be fetched.")


def built(home: Path, release: str) -> Path:
    """An image that an earlier run built."""
    folder = home / "_golden" / f"debian-{release}-{recipe_key(recipe(release, HOST.arch, 'cloud', ''))}"
    folder.mkdir(parents=True)
    return folder / f"debian-{release}.qcow2"


def asked(home: Path, error: ImageError = GONE, **request: Any) -> tuple[Request, list[Event]]:
    events: list[Event] = []
    wanted = Request(name="web", **{"template": "debian-12", **request})
    return with_golden_image(wanted, error, home=home, host=HOST, report=events.append), events


@pytest.mark.parametrize(
    ("template", "release"),
    [("debian-12", "12"), ("template:debian-13", "13"), ("template://debian-12", "12")],
)
def test_a_debian_that_can_be_built_takes_the_place_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, release: str
) -> None:
    monkeypatch.setattr("callao.molecule.golden.missing_packages", lambda _arch: [])
    image = built(tmp_path, release)
    request, events = asked(tmp_path, template=template, config={"cpus": 2})
    assert request.config == {"images": [{"location": str(image)}], "cpus": 2}
    (notice,) = [event.message for event in events if event.state is EventState.NOTICE]
    assert f"Debian {release} built from packages takes its place" in notice
    assert "cloud.debian.org" in notice


@pytest.mark.parametrize(
    "request_",
    [
        {"template": "alpine"},
        {"template": "./debian-12.yaml"},
        {"template": None},
        {"config": {"images": [{"location": "/x"}]}},
        {"origin": "base"},
        {"lock": Path("/callao.lock")},
        {"access": NetworkAccess.OFFLINE},
    ],
)
def test_any_other_box_has_the_error_that_it_had(tmp_path: Path, request_: dict[str, Any]) -> None:
    with pytest.raises(DownloadError, match="cannot be fetched"):
        asked(tmp_path, **request_)


def test_an_image_that_came_and_is_wrong_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch):
        asked(tmp_path, DigestMismatch("another digest."))


def test_a_host_that_cannot_build_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callao.molecule.golden.missing_packages", lambda _arch: ["mmdebstrap"])
    with pytest.raises(ImageError, match=r"cannot be fetched.*lacks mmdebstrap.*apt-get install mmdebstrap"):
        asked(tmp_path)
