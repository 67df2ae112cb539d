# SPDX-License-Identifier: GPL-3.0-or-later
"""A command line for a shell of Windows arrives in the program as the argv of which it was made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tree_sitter_powershell
from hypothesis import given
from hypothesis import strategies as st
from support.windows import shells
from tree_sitter import Language, Parser

from callao.drivers.wsl2.carrier import HERE, Remote, carrier_for, save
from callao.drivers.wsl2.command_line import Shell, Stdin, line
from callao.drivers.wsl2.wsl_exe import exec_argv
from callao.errors import DriverError

PARSER = Parser(Language(tree_sitter_powershell.language()))
WORDS = st.text(st.characters(exclude_characters='"%!\\', exclude_categories=("C",)), min_size=1)
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
ARGVS = (
    ["wsl.exe", "--version"],
    ["wsl.exe", "--import", "lima-a", "C:\\Users\\Ana Lima\\wsl", "-", "--version", "2"],
    ["wsl.exe", "--terminate", "my $(box); `n & Мой 'Дебиан' | ^x"],
    [
        "wsl.exe",
        "--import",
        "lima-a",
        "C:\\Größe & 'more' \u2018x\u2019; $env:A | (b)",
        "C:\\x.tar",
        "--version",
        "2",
    ],
)


def understood(shell: Shell, text: str) -> shells.Command:
    if shell is Shell.CMD:
        return shells.cmd(text, {"PATH": "x", "s": "y"})
    assert not PARSER.parse(text.encode()).root_node.has_error, text
    command = shells.powershell(text)
    assert shells.powershell_7(text) == command
    assert command.preset == 127
    return command


@pytest.mark.parametrize("shell", Shell)
@pytest.mark.parametrize("argv", ARGVS)
def test_words_for_windows_arrive(shell: Shell, argv: list[str]) -> None:
    command = understood(shell, line(shell, argv))
    assert command.argv == argv
    assert command.environment == {"WSL_UTF8": "1"}
    assert command.stdin == ("bytes" if shell is Shell.CMD else "none")


@pytest.mark.parametrize("shell", Shell)
def test_variables_of_windows_are_passed_on_to_a_distribution(shell: Shell) -> None:
    command = understood(shell, line(shell, ["wsl.exe", "--version"], passes=["USERPROFILE/up", "TEMP/p"]))
    assert command.environment == {"WSL_UTF8": "1", "WSLENV": "USERPROFILE/up:TEMP/p"}
    assert command.argv == ["wsl.exe", "--version"]


@pytest.mark.parametrize("shell", Shell)
@given(word=WORDS)
def test_any_word_arrives_or_is_refused(shell: Shell, word: str) -> None:
    argv = ["wsl.exe", "--export", word, "-"]
    assert understood(shell, line(shell, argv)).argv == argv


@pytest.mark.parametrize("shell", Shell)
@given(words=st.lists(ANY, max_size=3))
def test_a_command_for_the_guest_arrives_with_all_its_characters(shell: Shell, words: list[str]) -> None:
    argv = understood(shell, line(shell, exec_argv("lima-a", ["printf", "<%s>", *words]))).argv
    at = argv.index("--exec")
    assert argv[:at] == exec_argv("lima-a", [])[:-1]
    done = subprocess.run(argv[at + 1 :], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"<{word}>" for word in words) or (
        not words and done.stdout == b"<>"
    )


@pytest.mark.parametrize("kind", [Stdin.WHOLE, Stdin.LIVE])
def test_a_standard_input_for_powershell_is_decoded_in_the_guest(kind: Stdin) -> None:
    command = understood(Shell.POWERSHELL, line(Shell.POWERSHELL, exec_argv("lima-a", ["cat"]), stdin=kind))
    assert command.stdin == "lines"
    argv = command.argv[command.argv.index("--exec") + 1 :]
    given = b"AP8K\r\nCg==\r\n" if kind is Stdin.WHOLE else b"AP8=\r\nCgo=\r\n"
    done = subprocess.run(argv, input=given, capture_output=True, check=True)
    assert done.stdout == b"\0\xff\n\n"


@pytest.mark.parametrize(
    ("shell", "word"),
    [
        (Shell.CMD, "%PATH%"), (Shell.CMD, "a!b"), (Shell.CMD, 'a"b'), (Shell.CMD, ""), (Shell.CMD, "a\nb"),
        (Shell.CMD, "C:\\a\\"), (Shell.POWERSHELL, 'a"b'), (Shell.POWERSHELL, ""),
        (Shell.POWERSHELL, "a\0b"),
        (Shell.POWERSHELL, "C:\\a b\\"),
    ],
)  # fmt: skip
def test_what_a_shell_would_change_is_refused(shell: Shell, word: str) -> None:
    with pytest.raises(DriverError, match=r"cannot be a word of a command for .*allowed: no double quotes"):
        line(shell, ["wsl.exe", word])


def test_a_line_that_is_too_long_for_the_shell_is_refused() -> None:
    argv = exec_argv("lima-a", ["/bin/sh", "-c", "x" * 8000])
    with pytest.raises(DriverError, match=r"has 1\d{4} characters, and cmd takes 8000 there"):
        line(Shell.CMD, argv)
    assert line(Shell.POWERSHELL, argv)


def test_all_instances_of_a_home_are_on_one_windows(tmp_path: Path) -> None:
    assert carrier_for(tmp_path) is HERE
    one = Remote("one", ("ssh", "one"), Shell.CMD, "C:\\callao")
    save(tmp_path, one)
    assert carrier_for(tmp_path) == one
    assert (tmp_path / "_config" / "windows.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(
        DriverError, match=r"its instances are on one, and not on two.*a lima_home of its own"
    ):
        save(tmp_path, Remote("two", ("ssh", "two"), Shell.CMD, "C:\\callao"))
    (tmp_path / "_config" / "windows.json").write_text("{")
    with pytest.raises(DriverError, match=r"windows\.json cannot be read"):
        carrier_for(tmp_path)
