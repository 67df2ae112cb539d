# SPDX-License-Identifier: GPL-3.0-or-later
"""What wsl.exe writes is read in either encoding, whole or cut off; errors are told apart by their codes."""

from __future__ import annotations

import random

import pytest

from callao.drivers.wsl2.places import disks_folder, is_on_drive, windows_path
from callao.drivers.wsl2.refusals import Reason, failed
from callao.drivers.wsl2.runner import Answer
from callao.drivers.wsl2.text import decode, lines
from callao.errors import DriverError

TEXTS = (
    "lima-web\r\nUbuntu-24.04\r\n",
    "ディストリビューション\r\n",
    "Größe wird geändert…\r\n",
    "\r\n",
    "",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le"])
def test_text_is_read_in_each_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text.replace("\r\n", "\n")


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(b"\xff\xfe" + "web".encode("utf-16-le")) == "web"


def test_text_without_zero_bytes_is_read_as_utf_16_when_it_is_no_utf_8() -> None:
    assert decode("配布".encode("utf-16-le")) == "配布"


@pytest.mark.parametrize("padding", ["", "."])
@pytest.mark.parametrize("page", ["cp850", "cp866", "cp1252"])
def test_a_code_of_an_error_is_found_in_the_text_of_a_code_page(page: str, padding: str) -> None:
    word = "Отказано" if page == "cp866" else "Größe"
    said = f"{word}{padding}\r\nWsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n".encode(page)
    assert failed(["wsl.exe"], Answer(255, said, b"")).reason is Reason.NOT_FOUND


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_whole_lines_survive_a_cut_at_any_byte(encoding: str) -> None:
    data = "lima-one\r\nlima-größer\r\nlima-two\r\n".encode(encoding)
    wanted = ["lima-one", "lima-größer", "lima-two"]
    for end in range(len(data)):
        found = lines(data[:end])
        assert found[:-1] == wanted[: len(found) - 1] or not found


def test_a_cut_at_the_beginning_is_noticed() -> None:
    assert lines("xlima-web\r\n".encode("utf-16-le")[1:]) == ["lima-web"]


def test_no_bytes_are_an_exception_or_a_control_character() -> None:
    chance = random.Random(21)
    for _ in range(2000):
        text = decode(chance.randbytes(chance.randrange(40)))
        assert all(each.isprintable() or each in "\n\t" or not each.isascii() for each in text)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Foo.\r\nError code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n", Reason.NOT_FOUND),
        ("Es gibt keine.\r\nFehlercode: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n", Reason.NOT_FOUND),
        ("x\r\nError code: Wsl/Service/RegisterDistro/ERROR_ALREADY_EXISTS\r\n", Reason.EXISTS),
        ("x\r\nError code: Wsl/Service/CreateInstance/0x80070005\r\n", Reason.NO_SESSION),
        ("x\r\nError code: Wsl/WSL_E_LOCAL_SYSTEM_NOT_SUPPORTED\r\n", Reason.NO_SESSION),
        ("The file cannot be accessed by the system.\r\n", Reason.NO_SESSION),
        ("Windows Subsystem for Linux has no installed distributions.\r\n", Reason.NONE_INSTALLED),
        ("x\r\nError code: Wsl/Service/CreateVm/HCS/0x80370102\r\n", Reason.OTHER),
        ("", Reason.OTHER),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_the_reason_of_a_failure_is_known_by_its_code(said: str, reason: Reason, encoding: str) -> None:
    error = failed(["wsl.exe", "--list"], Answer(255, said.encode(encoding), b""))
    assert error.reason is reason
    assert error.message.startswith("wsl.exe --list failed with status 255: ")


def test_the_message_of_a_failure_leaves_out_the_script_and_is_short() -> None:
    argv = ["wsl.exe", "--distribution", "lima-a", "--exec", "/bin/sh", "-c", "secret"]
    error = failed(argv, Answer(1, b"no " * 5000, b"\x1b[2J"))
    assert "secret" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("C:\\callao", "C:\\callao"),
        ("d:/wsl/disks/", "D:\\wsl\\disks"),
        ("/mnt/c/Users/ana", "C:\\Users\\ana"),
        ("/mnt/c", "C:\\"),
        ("/home/ana", None),
        ("/mnt/wsl/x", None),
        ("C:\\a\\..\\b", None),
        ('C:\\a"b', None),
        ("C:relative", None),
        ("\\\\server\\share", None),
        ("C:\\a\nb", None),
    ],
)
def test_a_folder_of_windows_is_known_by_either_name(path: str, wanted: str | None) -> None:
    assert windows_path(path) == wanted


def test_mounted_drives_are_told_from_other_folders() -> None:
    assert [is_on_drive(each) for each in ("/mnt/c", "/mnt/d/x", "/mnt/wsl", "/home/a", "/mnt/c:/x")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_disks_go_into_the_users_own_folder_unless_another_is_named() -> None:
    apps = "/usr/bin:/mnt/c/Windows:/mnt/c/Users/Ana Lima/AppData/Local/Microsoft/WindowsApps"
    assert disks_folder({"PATH": apps}, "lima-a") == "C:\\Users\\Ana Lima\\AppData\\Local\\callao\\lima-a"
    named = {"PATH": apps, "CALLAO_WSL_HOME": "/mnt/d/disks"}
    assert disks_folder(named, "lima-a") == "D:\\disks\\lima-a"
    with pytest.raises(DriverError, match=r"CALLAO_WSL_HOME: '/home/ana'.*Allowed: a path such as C:"):
        disks_folder({"CALLAO_WSL_HOME": "/home/ana"}, "lima-a")
    with pytest.raises(DriverError, match=r"Set CALLAO_WSL_HOME"):
        disks_folder({"PATH": "/usr/bin"}, "lima-a")
