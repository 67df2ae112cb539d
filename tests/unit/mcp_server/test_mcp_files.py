# SPDX-License-Identifier: GPL-3.0-or-later
"""list_directory, read_file and write_file, and what they refuse."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from mcp_server.conftest import Put, Tools

from callao.mcp.worker.files import shortened
from callao.mcp.workspace import ToolFailure


def test_a_directory_is_listed_with_gos_modes(tools: Tools, put: Put) -> None:
    put("b.txt", "four").chmod(0o640)
    (tools.root / "a").mkdir()
    (tools.root / "a").chmod(0o1755)
    (tools.root / "link").symlink_to("a")
    os.mkfifo(tools.root / "pipe", 0o600)
    os.utime(tools.root / "b.txt", (0, 1_700_000_000))
    entries = {each["name"]: each for each in tools("list_directory", path=str(tools.root))["entries"]}
    assert list(entries) == ["a", "b.txt", "link", "pipe"]
    assert entries["b.txt"] == {
        "name": "b.txt",
        "size": 4,
        "mode": 0o640,
        "time": "2023-11-14T22:13:20Z",
        "is_dir": False,
    }
    assert (entries["a"]["is_dir"], entries["a"]["mode"]) == (True, 1 << 31 | 1 << 20 | 0o755)
    assert (entries["link"]["is_dir"], entries["link"]["mode"]) == (False, 1 << 27 | 0o777)
    assert entries["pipe"]["mode"] == 1 << 25 | 0o600


def test_a_directory_that_is_none_is_refused(tools: Tools, put: Put) -> None:
    path = put("file")
    assert tools.failure("list_directory", path=str(path)) == f"{path}: not a directory"
    assert tools.failure("list_directory", path=str(tools.root / "none")) == "file does not exist"


def test_text_is_read_whole(tools: Tools, put: Put) -> None:
    assert tools("read_file", path=str(put("a", "ünï 💡\r\nx"))) == {"content": "ünï 💡\r\nx"}
    assert tools("read_file", path=str(put("empty"))) == {"content": ""}
    assert tools.notices == []


def test_a_long_file_is_cut_between_characters_with_a_notice(tools: Tools, put: Put) -> None:
    path = put("long", "é" * 2047 + "x" + "💡" * 1000)
    content = tools("read_file", path=str(path))["content"]
    kept, _, notice = content.partition("\n[")
    assert kept == "é" * 2047 + "x"
    assert notice.startswith("cut: the first 4095 of 8095 bytes; read on")
    assert tools.notices == [notice.removesuffix("]\n")]


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0", b"caf\xe9", b"\xff\xfeh\0i\0", b"a" * 9000 + b"\0"]
)
def test_a_binary_file_is_refused_by_name(tools: Tools, put: Put, content: bytes) -> None:
    path = put("data.bin", content)
    tools.limits = type(tools.limits)(output=1 << 20)
    assert tools.failure("read_file", path=str(path)).startswith(f"{path}: a binary file, or not UTF-8")


def test_what_is_no_regular_file_is_refused_and_never_opened(tools: Tools) -> None:
    os.mkfifo(tools.root / "pipe")
    for verb, more in (("read_file", {}), ("write_file", {"content": "x"})):
        found = tools.failure(verb, path=str(tools.root / "pipe"), **more)
        assert found.endswith("not a regular file (it is a FIFO)")
        found = tools.failure(verb, path=str(tools.root), **more)
        assert found.endswith("not a regular file (it is a directory)")
    if os.getuid() == 0:
        os.mknod(tools.root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        assert "a character device" in tools.failure("read_file", path=str(tools.root / "null"))


def test_a_file_is_written_with_its_directories(tools: Tools) -> None:
    path = tools.root / "a" / "b" / "c.txt"
    assert tools("write_file", path=str(path), content="long text") == {}
    assert tools("write_file", path=str(path), content="ü") == {}
    assert path.read_text() == "ü"


def test_a_written_file_keeps_its_mode_and_links(tools: Tools, put: Put) -> None:
    path = put("run.sh", "old")
    path.chmod(0o750)
    os.link(path, tools.root / "other")
    (tools.root / "link").symlink_to("run.sh")
    tools("write_file", path=str(tools.root / "link"), content="new")
    assert (tools.root / "other").read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert (tools.root / "link").is_symlink()


@pytest.mark.parametrize("path", ["", "relative", "./x", "~/x"])
def test_a_path_has_to_be_absolute(tools: Tools, path: str) -> None:
    expected = "expected an absolute path, got a relative path" if path else "path is empty"
    assert tools.failure("read_file", path=path).startswith(expected)
    assert tools.failure("write_file", path=path, content="").startswith(expected)
    found = tools.failure("run_shell_command", command=["true"], directory=path)
    assert found.startswith(expected)


def ways_out(root: Path) -> list[str]:
    """Paths that lead to the secret beside the root."""
    outside = root.parent / "outside"
    (root / "link").symlink_to(outside)
    (root / "relative").symlink_to("../outside")
    (root / "file").symlink_to(outside / "secret")
    (root / "chain").symlink_to("link/secret")
    (root / "sub").mkdir(exist_ok=True)
    (root / "sub" / "up").symlink_to("../..")
    return [
        f"{outside}/secret",
        f"{root}/../outside/secret",
        f"{root}/sub/../../outside/secret",
        f"/{outside}//secret",
        f"{root}/link/secret",
        f"{root}/relative/secret",
        f"{root}/file",
        f"{root}/chain",
        f"{root}/sub/up/outside/secret",
        f"/proc/self/root{outside}/secret",
        f"/proc/self/cwd/..{outside}/secret",
    ]


def test_no_path_leads_out_of_the_root(tools: Tools) -> None:
    secret = tools.root.parent / "outside" / "secret"
    for path in ways_out(tools.root):
        for verb, more in (("read_file", {}), ("write_file", {"content": "overwritten"})):
            assert "outside of the directories" in tools.failure(verb, path=path, **more), path
        folder = path if path.endswith(("file", "chain")) else str(Path(path).parent)
        for verb, more in (("list_directory", {}), ("glob", {"pattern": "*"})):
            found = tools.failure(verb, path=folder, **more)
            assert "outside of the directories" in found or "not a directory" in found, path
    assert secret.read_text() == "secret\n"


def test_nothing_is_made_outside_of_the_root(tools: Tools) -> None:
    outside = tools.root.parent / "outside"
    (tools.root / "link").symlink_to(outside)
    (tools.root / "dangling").symlink_to(outside / "new")
    for path in (f"{tools.root}/link/a/b", f"{tools.root}/dangling", f"{tools.root}/../outside/c/d"):
        assert "outside of the directories" in tools.failure("write_file", path=path, content="x")
    assert [each.name for each in outside.iterdir()] == ["secret"]


def test_a_refusal_does_not_tell_what_exists_outside(tools: Tools) -> None:
    outside = tools.root.parent / "outside"
    there = tools.failure("read_file", path=f"{outside}/secret").replace("secret", "X")
    absent = tools.failure("read_file", path=f"{outside}/absent").replace("absent", "X")
    assert there == absent


def test_a_link_inside_the_root_is_followed(tools: Tools, put: Put) -> None:
    put("real/file", "text")
    (tools.root / "link").symlink_to(tools.root / "real")
    (tools.root / "again").symlink_to("link/../real/file")
    assert tools("read_file", path=f"{tools.root}/link/file") == {"content": "text"}
    assert tools("read_file", path=f"{tools.root}/again") == {"content": "text"}
    (tools.root / "loop").symlink_to("loop")
    assert "symbolic links" in tools.failure("read_file", path=f"{tools.root}/loop")


def test_odd_names_are_names(tools: Tools) -> None:
    for name in ("-rf", "two words", "new\nline", 'it\'s "quoted"', "$(touch x)", "*", "ünï", "a\\b"):
        path = f"{tools.root}/{name}"
        tools("write_file", path=path, content=name)
        assert tools("read_file", path=path) == {"content": name}
        assert name in [each["name"] for each in tools("list_directory", path=str(tools.root))["entries"]]
    assert tools.failure("read_file", path=f"{tools.root}/a\0b") == "path: has a NUL character"
    assert "surrogates not allowed" in tools.failure("read_file", path=f"{tools.root}/\udcff")
    assert "too long" in tools.failure("read_file", path=f"{tools.root}/{'x' * 300}")
    (tools.root / os.fsdecode(b"\xff")).write_text("x")
    assert "�" in str(tools("list_directory", path=str(tools.root)))


def test_a_file_that_is_replaced_by_a_link_meanwhile_never_leads_out(tools: Tools, put: Put) -> None:
    """Another program swaps a file and a link to the secret all the time."""
    path = put("swapped", "mine")
    other = put("other", "mine")
    link = tools.root / "link"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            link.symlink_to(tools.root.parent / "outside" / "secret")
            link.rename(path)
            other.write_text("mine")
            other.rename(path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {str(_swapped(tools, path)) for _ in range(60)}
    finally:
        done.set()
        thread.join()
    assert "secret" not in "".join(seen)
    assert (tools.root.parent / "outside" / "secret").read_text() == "secret\n"


def _swapped(tools: Tools, path: Path) -> object:
    try:
        tools("write_file", path=str(path), content="mine")
        return tools("read_file", path=str(path))["content"]
    except ToolFailure as error:
        return str(error).replace("secret", "") if "outside of" in str(error) else error


def test_huge_names_are_cut_before_the_number_of_entries_is_reached() -> None:
    assert len(shortened([b"n" * 255] * 20_000)) == (2 << 20) // 255
    assert len(shortened([b"n"] * 20_000)) == 10_000
    assert shortened([b"a", b"b"]) == [b"a", b"b"]
