# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that only tell: validate, template, show-ssh, info, schema, completion."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
import yaml
from cli.conftest import Line

import callao as package
from callao.cli.terminal.progress import reporter
from callao.hostagent import journal

GOOD = "base: template:default\ncpus: 2\n"
BAD = "images:\n- location: /x.qcow2\n  arch: z80\ncpus: many\nmounts:\n- location: ~\n  writable: 3\n"


def test_strict_refuses_what_is_warned_of_else(callao: Line) -> None:
    Path("a.yaml").write_text("images: [{location: /a.img}]\ncontainerd: {user: false}\ncpu: 2\n")
    done = callao("validate", "a.yaml")
    assert (done.status, "! a.yaml:3:1: cpu: " in done.err) == (0, True), done.err
    done = callao("validate", "--strict", "a.yaml")
    assert (done.status, "a.yaml:3:1: cpu: " in done.err) == (1, True), done.err
    Path("b.yaml").write_text("images: [{location: /a.img}]\ncpus: 2\n---\ncpus: 3\n")
    done = callao("validate", "--strict", "b.yaml")
    assert (done.status, "only the first YAML document is read" in done.err) == (0, True), done.err


def test_good_files_and_templates_are_ticked_off(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    done = callao("validate", "a.yaml", "debian-12", "template:docker")
    assert (done.status, done.out) == (0, "")
    ticked = [line for line in done.err.splitlines() if not line.startswith("! ")]
    assert ticked == ["✓ a.yaml", "✓ debian-12", "✓ template:docker"]


def test_every_mistake_of_every_file_is_told_with_its_place(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    (tmp_path / "b.yaml").write_text("cpus: [\n")
    (tmp_path / "c.yaml").write_text(GOOD)
    done = callao("validate", "a.yaml", "b.yaml", "none.yaml", "c.yaml")
    assert (done.status, done.out) == (1, "")
    lines = done.err.splitlines()
    assert any(line.startswith("a.yaml:4:1: cpus: 'many'") for line in lines)
    assert any(line.startswith("a.yaml:3:3: images[0].arch: 'z80'") for line in lines)
    assert any(line.startswith("a.yaml:7:3: mounts[0].writable: 3") for line in lines)
    assert any(line.startswith("b.yaml:2:1: ") for line in lines)
    assert any(line.startswith("none.yaml: ") for line in lines)
    assert lines[-1] == "✓ c.yaml"


def test_filled_it_is_a_whole_lima_yaml(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    done = callao("validate", "--fill", "a.yaml")
    filled = yaml.safe_load(done.out)
    assert (done.status, filled["cpus"]) == (0, 2)
    assert filled["vmType"]
    (tmp_path / "b.yaml").write_text(done.out)
    assert callao("validate", "b.yaml").status == 0


def test_validation_writes_nothing(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    callao("validate", "a.yaml")
    assert list(callao.home.iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "a.yaml"]


def test_templates_are_listed_with_the_users_own(callao: Line) -> None:
    (callao.home / "_templates").mkdir()
    (callao.home / "_templates" / "mine.yaml").write_text(GOOD)
    names = callao("template", "list").out.split()
    assert {"mine", "default", "debian-12"} <= set(names)
    assert names == sorted(names)
    places = json.loads(callao("tmpl", "list", "--json").out)
    assert list(places) == names
    assert places["mine"] == str(callao.home / "_templates" / "mine.yaml")


def test_a_template_is_shown_complete_filled_or_as_written(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# mine\n" + GOOD)
    complete = yaml.safe_load(callao("template", "show", "a.yaml").out)
    assert "base" not in complete
    assert complete["cpus"] == 2
    assert complete["images"]
    assert "ssh" in yaml.safe_load(callao("template", "show", "--fill", "a.yaml").out)
    assert callao("template", "show", "--original", "a.yaml").out == "# mine\n" + GOOD


def test_a_query_finds_values(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    assert callao("template", "show", "a.yaml", "--query", ".cpus").out == "2\n"
    out = callao("template", "show", "a.yaml", "--query", ".images[].arch").out
    assert {"x86_64", "aarch64"} <= set(out.split())
    done = callao("template", "show", "a.yaml", "--query", ".cpus[")
    assert (done.status, done.out) == (1, "")
    assert "--query: '.cpus[': jq:" in done.err


def test_a_template_is_copied(callao: Line, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# mine\n" + GOOD)
    done = callao("template", "copy", "a.yaml", "b.yaml")
    assert (done.status, done.out, done.err) == (0, "", "Wrote b.yaml.\n")
    assert (tmp_path / "b.yaml").read_text() == "# mine\n" + GOOD
    done = callao("template", "copy", "debian-12", "b.yaml")
    assert done.status == 1
    assert "b.yaml exists already. Replace it with --force." in done.err
    assert callao("template", "copy", "--embed-all", "--force", "a.yaml", "b.yaml").status == 0
    assert "base" not in yaml.safe_load((tmp_path / "b.yaml").read_text())
    assert callao("template", "copy", "a.yaml", "-").out == "# mine\n" + GOOD
    done = callao("template", "copy", "a.yaml", "none/b.yaml")
    assert done.status == 1
    assert "none/b.yaml cannot be written: No such file or directory." in done.err


def test_an_unknown_template_is_told(callao: Line) -> None:
    for line in (["template", "show", "none"], ["template", "copy", "none", "x.yaml"], ["validate", "none"]):
        done = callao(*line)
        assert (done.status, done.out) == (1, "")
        assert "template: 'none' is neither built in nor in" in done.err
    done = callao("template", "shwo")
    assert done.status == 1
    assert "No such command 'shwo'" in done.err


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("cmd", "ssh -F '{dir}/ssh.config' lima-web\n"),
        ("args", "-F '{dir}/ssh.config' lima-web\n"),
        ("options", "-F '{dir}/ssh.config'\n"),
        ("config", "Host lima-web\n"),
    ],
)
def test_show_ssh_tells_in_four_ways(
    callao: Line, monkeypatch: pytest.MonkeyPatch, form: str, out: str
) -> None:
    home = callao.home.parent / "a home"
    callao.home.rename(home)
    callao.home = home
    monkeypatch.setenv("LIMA_HOME", str(home))
    callao.write("web").ssh_config.write_text("Host lima-web\n")
    done = callao("show-ssh", "--format", form, "web")
    assert (done.status, done.out, done.err) == (0, out.format(dir=home / "web"), "")


def test_show_ssh_of_one_that_never_ran(callao: Line) -> None:
    callao.write("web")
    done = callao("show-ssh", "web")
    assert done.status == 1
    assert "instance 'web' has no ssh.config: it never ran. callao start web" in done.err
    assert (
        "'table' is not one of 'cmd', 'args', 'options', 'config'"
        in callao("show-ssh", "-f", "table", "web").err
    )


def test_info_is_json_about_this_host(callao: Line) -> None:
    done = callao("info")
    facts = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert facts["version"] == package.__version__
    assert facts["limaHome"] == str(callao.home)
    assert "qemu" in facts["vmTypes"]
    assert {"name", "location"} == set(facts["templates"][0])
    assert facts["defaultTemplate"]["images"]
    assert facts["programs"]["ssh"] == shutil.which("ssh")
    assert facts["identityFile"] == str(callao.home / "_config" / "user")
    assert isinstance(facts["plugins"], list)
    assert "PATH" in facts["shellEnvBlock"]
    assert set(facts["drivers"]) == set(facts["vmTypes"])
    assert "vmType: vz needs vfkit on macOS 13 or newer; this host's system is" in facts["drivers"]["vz"]


def test_info_of_an_instance_is_what_its_host_agent_knows(callao: Line) -> None:
    known = {"listeners": {"by": "looks", "why": "lockdown"}, "ready": True}
    sock = callao.run("web").ha_sock
    body = json.dumps(known).encode()
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor(1) as threads:
        server.bind(str(sock))
        server.listen()

        def answer() -> None:
            wire, _ = server.accept()
            with wire:
                assert wire.recv(65536).startswith(b"GET /v1/info ")
                wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        answered = threads.submit(answer)
        done = callao("info", "web")
        answered.result(60)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert "qemu" in found.pop("drivers")
    assert found == {**known, "name": "web", "status": "Running", "dir": str(sock.parent)}


def test_info_of_a_stopped_instance_says_so(callao: Line) -> None:
    callao.write("web")
    assert json.loads(callao("info", "web").out)["status"] == "Stopped"
    assert "does not exist" in callao("info", "other").err


def test_the_schema_is_lima_yamls(callao: Line) -> None:
    from callao.config import json_schema

    assert json.loads(callao("schema").out) == json_schema()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_one_that_its_shell_takes(callao: Line, shell: str) -> None:
    done = callao("completion", shell)
    assert (done.status, done.err) == (0, "")
    assert "_CALLAO_COMPLETE" in done.out
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run(
            [program, "-n"], input=done.out, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_an_unknown_shell_is_told(callao: Line) -> None:
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in callao("completion", "tcsh").err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["st"], {"start", "start-at-login", "stop"}),
        (["shell", "we"], {"web-1", "web-2"}),
        (["stop", "web-1", ""], {"api", "web-1", "web-2"}),
        (["copy", "we"], {"web-1:", "web-2:"}),
        (["create", "debian-1"], {"debian-11", "debian-12", "debian-13"}),
        (["start", "web"], {"web-1", "web-2"}),
        (["edit", "--vm"], {"--vm-type"}),
    ],
)
def test_names_are_completed(callao: Line, words: list[str], found: set[str]) -> None:
    for name in ("web-1", "web-2", "api"):
        callao.write(name)
    environment = {
        **os.environ, "_CALLAO_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["callao", *words]),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "from callao.cli.main import main; main()"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.stderr == ""
    assert found == {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_a_file_name_reaches_the_terminal_as_text(callao: Line, tmp_path: Path) -> None:
    name = "a\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2Jb.yaml"
    (tmp_path / name).write_text(GOOD)
    good, bad = callao("validate", name), callao("--debug", "validate", "none\x1b]52;c;eA==\x07.yaml")
    assert (good.status, good.err) == (0, "✓ ab.yaml\n")
    assert bad.status == 1
    assert not {"\x1b", "\x07"} & {*bad.err, *bad.out}


@pytest.mark.parametrize("tty", [True, False])
def test_what_a_guest_says_reaches_the_terminal_as_text(
    capsys: pytest.CaptureFixture[str], tty: bool
) -> None:
    line = (
        b'{"time":"","callao":{"stage":"provision","state":"STATE","message":"a\\u001b]52;c;eA==\\u0007b"}}'
    )
    with click.Context(click.Command("start")):
        report = reporter(tty)
        for state in (b"failed", b"notice", b"done"):
            said = journal.read(line.replace(b"STATE", state))
            assert said is not None
            assert said.callao is not None
            report(said.callao)
    told = capsys.readouterr().err
    assert told.count("ab") == 3
    assert "\x1b]" not in told
    assert "52;c" not in told
