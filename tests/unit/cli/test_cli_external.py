# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs called callao-NAME or limactl-NAME as commands."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.cli.parsing.external import discover

SCRIPT = '#!/bin/sh\n# <limactl-desc>Says  what it is given</limactl-desc>\nprintf "[%s]" "$@"\nexit 7\n'


def found() -> dict[str, str]:
    return {each.name: each.description for each in discover()}


@pytest.mark.parametrize("prefix", ["callao", "limactl"])
def test_it_is_listed_and_run_with_its_arguments_and_status(callao: Line, prefix: str) -> None:
    callao.program(f"{prefix}-say", SCRIPT)
    assert found()["say"] == "Says what it is given"
    out = callao("--help").out
    assert "External commands on PATH:" in out
    assert "Says what it is given" in out
    done = callao.process("say", "a b", "--help", "-x", "--", "--tty", "c", env=dict(os.environ))
    assert (done.out, done.status) == ("[a b][--help][-x][--][--tty][c]", 7)


def test_info_names_them(callao: Line) -> None:
    path = callao.program("callao-say", SCRIPT)
    plugins = json.loads(callao("info").out)["plugins"]
    assert {"name": "say", "path": str(path)}.items() <= next(
        p for p in plugins if p["name"] == "say"
    ).items()


def test_a_built_in_is_never_shadowed(callao: Line) -> None:
    for name in ("callao-list", "limactl-ls", "callao-cp"):
        callao.program(name, "#!/bin/sh\necho no\n")
    assert callao("list", "-q").out == ""
    assert callao("ls", "-q").out == ""
    out = callao("--help").out
    assert "External" not in out or "\n  list " not in out.split("External")[1]


def test_the_first_on_path_wins_and_ours_before_limas(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    callao.program("callao-say", "#!/bin/sh\n# <callao-desc>ours</callao-desc>\n")
    callao.program("limactl-say", "#!/bin/sh\n# <limactl-desc>Lima's</limactl-desc>\n")
    later = callao.home.parent / "later"
    later.mkdir()
    (later / "callao-say").write_text("#!/bin/sh\n# <limactl-desc>later</limactl-desc>\n")
    (later / "callao-say").chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{later}")
    assert found()["say"] == "ours"


def test_libexec_beside_the_program_counts(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = callao.home.parent / "prefix"
    for folder in ("bin", "libexec/lima", "elsewhere"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "bin" / "callao").write_text("")
    (prefix / "elsewhere" / "callao").symlink_to(prefix / "bin" / "callao")
    plugin = prefix / "libexec" / "lima" / "limactl-extra"
    plugin.write_text("#!/bin/sh\n")
    plugin.chmod(0o755)
    for program in ("bin/callao", "elsewhere/callao"):
        monkeypatch.setattr(sys, "argv", [str(prefix / program)])
        assert found()["extra"] == ""


@pytest.mark.parametrize(
    ("name", "mode", "text"),
    [
        ("callao-no", 0o644, "#!/bin/sh\n"),
        ("callao-", 0o755, "#!/bin/sh\n"),
        ("callao-.hidden", 0o755, "#!/bin/sh\n"),
        ("callao-a b", 0o755, "#!/bin/sh\n"),
    ],
)
def test_what_is_no_command_is_passed_over(callao: Line, name: str, mode: int, text: str) -> None:
    callao.program(name, text).chmod(mode)
    assert not {"no", "", ".hidden", "a b"} & set(found())


def test_a_binary_has_no_description(callao: Line) -> None:
    callao.program("callao-bin", "\x7fELF <limactl-desc>no</limactl-desc>")
    assert found()["bin"] == ""


def test_one_that_cannot_be_run_is_one_line(callao: Line) -> None:
    path = callao.program("callao-bad", "#!/nowhere/sh\n")
    done = callao.process("bad", env=dict(os.environ))
    assert done.status == 1
    assert done.err == f"callao: {path} cannot be run: No such file or directory.\n"


def test_a_name_with_a_path_is_no_command(callao: Line, tmp_path: Path) -> None:
    done = callao("../x")
    assert (done.status, done.out) == (1, "")
