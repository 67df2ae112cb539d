# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao screenshot`` of a real QEMU, with and without a display, through the host agent's API."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Done, Line

from callao.config import VMType
from callao.drivers.qemu.devices import Monitor
from callao.drivers.qemu.process import launch
from callao.errors import AgentError
from callao.hostagent import picture
from callao.hostagent.api import http
from callao.hostagent.api.screenshot_api import ScreenshotApi
from callao.instances import InstancePaths

QEMU = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"
MACHINE = (QEMU, "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S")


def screenshots(callao: Line, *lines: tuple[str, ...], devices: tuple[str, ...] = ()) -> list[Done]:
    """Run the command for the instance ``web`` while a machine with these devices is behind its ha.sock."""
    paths = InstancePaths(callao.home / "web")

    async def play() -> list[Done]:
        machine = await launch([*MACHINE, *devices, *Monitor(paths.qmp_sock).argv()], paths)
        server = await http.serve(paths.ha_sock, ScreenshotApi(machine, "web", VMType.QEMU).routes())
        try:
            return [await asyncio.to_thread(callao, "screenshot", "web", *line) for line in lines]
        finally:
            server.close()
            await machine.quit()
            await machine.wait()

    return asyncio.run(play())


def pixels_of_png(data: bytes) -> picture.Picture:
    """What a PNG of eight bits a colour and without filters holds; checks all of its sums."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind], place = body, place + 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    lines = zlib.decompress(chunks[b"IDAT"])
    step = 3 * width + 1
    rows = [lines[each : each + step] for each in range(0, len(lines), step)]
    assert {row[0] for row in rows} == {0}
    return picture.Picture(width, height, b"".join(row[1:] for row in rows))


def pixels_of_bmp(data: bytes) -> picture.Picture:
    assert data[:2] == b"BM"
    assert struct.unpack_from("<I", data, 2)[0] == len(data)
    (offset,) = struct.unpack_from("<I", data, 10)
    width, height, planes, bits = struct.unpack_from("<iiHH", data, 18)
    assert (planes, bits) == (1, 24)
    step = (3 * width + 3) // 4 * 4
    rows = [data[offset + step * each :][: 3 * width] for each in range(height)]
    return picture.Picture(
        width, height, b"".join(row[3 * x : 3 * x + 3][::-1] for row in rows[::-1] for x in range(width))
    )


@pytest.fixture
def running(callao: Line) -> Iterator[Line]:
    callao.run("web")
    umask = os.umask(0o022)
    yield callao
    os.umask(umask)


def test_the_screen_is_saved_as_png_and_bmp(running: Line) -> None:
    Path("a.BMP").write_text("before")
    default, bitmap = screenshots(running, (), ("-o", "a.BMP"), devices=("-device", "VGA"))
    assert (default.status, bitmap.status) == (0, 0)
    assert "Saved the screen of web in web-screenshot.png" in default.err
    png = Path("web-screenshot.png")
    assert png.stat().st_mode & 0o777 == 0o644
    shown = pixels_of_png(png.read_bytes())
    assert (shown.width, shown.height) == (640, 480)
    assert len(set(shown.pixels)) > 1
    assert pixels_of_bmp(Path("a.BMP").read_bytes()) == shown


def test_a_machine_without_a_display_is_refused_with_the_remedy(running: Line) -> None:
    (done,) = screenshots(running, ())
    assert done.status == 1
    assert "the machine has no display" in done.err
    assert "'video.display'" in done.err


def test_what_cannot_be_is_refused_before_the_machine_is_asked(callao: Line) -> None:
    callao.run("web")
    callao.write("off")
    assert (
        "'web.gif' has no ending of a picture (allowed: .png, .bmp)"
        in callao("screenshot", "web", "-o", "web.gif").err
    )
    done = callao("screenshot", "off")
    assert (done.status, "instance 'off' is not running (it is Stopped)" in done.err) == (1, True)
    assert callao("screenshot", "nobody").status == 1


def test_a_driver_without_a_readable_screen_is_named() -> None:
    api = ScreenshotApi(object(), "web", VMType.VZ)  # type: ignore[arg-type]
    handler = api.routes()["GET", "/v1/screenshot"]
    with pytest.raises(AgentError, match=r"a screenshot of a vz machine cannot be taken"):
        asyncio.run(handler(http.Request({"format": "png"})))
    with pytest.raises(AgentError, match=r"'gif' is no form of a screenshot \(allowed: png, bmp\)"):
        asyncio.run(handler(http.Request({"format": "gif"})))


@pytest.mark.parametrize(
    "data",
    [b"", b"P6\n2 2\n255\n" + bytes(11), b"P5\n1 1\n255\n\0", b"P6\n0 0\n255\n", b"P6 99999 99999 255\n"],
)
def test_a_damaged_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "screen.ppm"
    file.write_bytes(data)
    with pytest.raises(AgentError, match="picture of the screen"):
        picture.read_ppm(file)


def test_a_screen_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "screen.ppm"
    with file.open("wb") as sparse:
        sparse.truncate(200 * 2**20)
    with pytest.raises(AgentError, match="Choose a smaller resolution"):
        picture.read_ppm(file)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (4, 3), (5, 1)])
def test_both_forms_hold_the_same_picture(width: int, height: int) -> None:
    shown = picture.Picture(width, height, bytes(each % 251 for each in range(3 * width * height)))
    assert pixels_of_png(picture.as_png(shown)) == shown
    assert pixels_of_bmp(picture.as_bmp(shown)) == shown
