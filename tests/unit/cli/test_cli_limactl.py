# SPDX-License-Identifier: GPL-3.0-or-later
"""The program under limactl's name: its log, its key phrases, its exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cli.conftest import Done, Line

from callao.cli.programs.names import Program, called_as
from callao.cli.terminal.messages import Form, Level, log_entry

ENTRY = re.compile(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+)')


@pytest.fixture
def limactl(callao: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/limactl"])
    return callao


def logged(done: Done) -> list[tuple[str, str]]:
    """Level and text of each entry; the texts are quoted as JSON's are, in what is tested here."""
    entries = [ENTRY.fullmatch(line) for line in done.err.splitlines()]
    return [
        (entry[1], json.loads(entry[2]) if entry[2].startswith('"') else entry[2])
        for entry in entries
        if entry is not None
    ]


@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("/usr/bin/limactl", Program.LIMACTL), ("limactl.exe", Program.LIMACTL),
        ("bin/lima", Program.LIMA), ("docker.lima", Program.DOCKER), ("yq", Program.YQ),
        ("yq.lima.exe", Program.YQ), ("callao", None), ("/x/limactl/callao", None), ("docker", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_program_is_known_by_its_name(path: str, program: Program | None) -> None:
    assert called_as(path) is program


@pytest.mark.parametrize(
    ("line", "status", "entries"),
    [
        (["list"], 0, [("warning", "No instance found. Run `limactl create` to create an instance.")]),
        (["list", "--zzz"], 1, [("fatal", "unknown flag: --zzz")]),
        (["list", "-z"], 1, [("fatal", "unknown shorthand flag: 'z' in -z")]),
        (["zzz"], 1, [("fatal", 'unknown command "zzz" for "limactl"')]),
        (["lst"], 1, [("fatal", 'unknown command "lst" for "limactl"\n\nDid you mean this?\n\tlist\n')]),
        (["delete", "no"], 0, [("warning", "Ignoring non-existent instance `no`")]),
        (["shell"], 1, [("fatal", "requires instance name as first argument")]),
        (["shell", "no"], 1,
         [("fatal", "instance `no` does not exist, run `limactl create no` to create a new instance")]),
        (["shell", "--instance", "no", "--", "--x"], 1,
         [("fatal", "instance `no` does not exist, run `limactl create no` to create a new instance")]),
        (["shell", "--tty=false", "--instance", "no", "--x"], 1, [("fatal", "unknown flag: --x")]),
        (["--log-format", "xml", "list"], 1, [("fatal", "unsupported log-format: `xml`")]),
        (["--log-level", "xml", "list"], 1, [("fatal", 'not a valid logrus Level: "xml"')]),
        (["--log-level", "error", "delete", "no"], 0, []),
    ],
)  # fmt: skip
def test_without_an_instance_it_answers_as_limactl(
    limactl: Line, line: list[str], status: int, entries: list[tuple[str, str]]
) -> None:
    done = limactl(*line)
    assert (done.status, done.out, logged(done)) == (status, "", entries)


@pytest.mark.parametrize(
    ("line", "status", "level", "words"),
    [
        (["shell", "--tty=false", "web"], 1, "fatal",
         "instance `web` is stopped, run `limactl start web` to start the instance"),
        (["shell", "--start=false", "web"], 1, "fatal", "instance `web` is stopped, run"),
        (["copy", "web:a", "b"], 1, "fatal", "instance `web` is stopped, run"),
        (["stop", "web"], 1, "fatal", "expected status `Running`, got `Stopped`"),
        (["create", "--name", "web", "template:default"], 1, "fatal", "instance `web` already exists"),
        (["edit", "web", "--param", "a=b"], 1, "fatal",
         "error while processing flag `param`: template does not define param `a`"),
        (["list", "--format", "{{.Nome}}"], 1, "fatal", "can't evaluate field Nome in type"),
        (["list", "--format", "{{.Config.Nome}}"], 1, "fatal", "can't evaluate field Nome in type"),
        (["list", "--quiet", "--json"], 1, "fatal", "option --quiet can only be used with '--format table'"),
        (["list", "--yq", ".", "--format", "table"], 1, "fatal",
         "option --yq only works with --format json or yaml"),
        (["list", "--yq", "env(HOME)"], 1, "fatal", "env operations have been disabled"),
        (["list", "--yq", 'load("/etc/passwd")'], 1, "fatal", "file operations have been disabled"),
        (["protect", "web"], 0, "info", "Protected `web`"),
        (["unprotect", "web"], 0, "warning", "Instance `web` isn't protected. Skipping."),
        (["protect", "no"], 1, "fatal", "failed to inspect instance `no`: open "),
        (["factory-reset", "no"], 0, "info", "Instance `no` not found"),
        (["delete", "web"], 0, "info", "Deleted `web`"),
    ],
)  # fmt: skip
def test_scripts_find_limactls_words(
    limactl: Line, line: list[str], status: int, level: str, words: str
) -> None:
    limactl.write("web")
    done = limactl(*line)
    assert (done.status, done.out) == (status, "")
    assert [each for each, text in logged(done) if text.startswith(words)] == [level], done.err


def test_disks_are_named_as_limactl_names_them(limactl: Line) -> None:
    found = [
        logged(limactl("disk", *line.split()))
        for line in (
            "list",
            "create data --size 10MiB",
            "create data --size 10MiB",
            "delete data",
            "delete data",
        )
    ]
    assert [entries[0][1] for entries in found] == [
        "No disk found. Run `limactl disk create DISK --size SIZE` to create a disk.",
        "Creating qcow2 disk `data` with size 10MiB",
        f"disk `data` already exists (`{limactl.home}/_disks/data`)",
        "Deleted `data`",
        "Ignoring non-existent disk `data`",
    ]


def test_a_protected_instance_is_named_as_limactl_names_it(limactl: Line) -> None:
    limactl.write("web").protected.touch()
    assert logged(limactl("protect", "web")) == [
        ("warning", "Instance `web` is already protected. Skipping.")
    ]
    (refusal,) = logged(limactl("delete", "--force", "web"))
    assert refusal[1].startswith("failed to delete instance `web`: instance is protected")
    assert logged(limactl("unprotect", "web")) == [("info", "Unprotected `web`")]


def test_names_that_match_nothing_are_told_and_the_others_listed(limactl: Line) -> None:
    limactl.write("foo")
    done = limactl("list", "foo", "none")
    assert [line.split()[0] for line in done.out.splitlines()] == ["NAME", "foo"]
    assert (done.status, logged(done)) == (
        1, [("warning", "No instance matching none found."), ("fatal", "unmatched instances")]
    )  # fmt: skip


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_folder_without_lima_yaml_is_listed_as_broken_and_not_deleted(limactl: Line, form: str) -> None:
    (limactl.home / "probe").mkdir()
    done = limactl("list", "--format", form)
    assert done.status == 0
    assert "Broken" in done.out
    assert logged(done)[0][1].startswith("instance `probe` has errors")
    assert limactl("list", "-q").out == "probe\n"
    refused = limactl("delete", "--force", "probe")
    assert (refused.status, (limactl.home / "probe").is_dir()) == (1, True)
    assert logged(refused)[0][1].startswith("instance `probe` directory ")


def test_json_entries(limactl: Line) -> None:
    done = limactl("--log-format", "json", "delete", "no")
    entry = json.loads(done.err)
    assert (entry["level"], entry["msg"]) == ("warning", "Ignoring non-existent instance `no`")
    assert list(entry) == ["level", "msg", "time"]


def test_callao_itself_writes_json_entries_with_its_own_words(callao: Line) -> None:
    entry = json.loads(callao("--log-format=json", "stop", "no").err)
    assert (entry["level"], entry["msg"][:28]) == ("fatal", "instance 'no' does not exist")


def test_a_text_is_quoted_as_go_quotes_it() -> None:
    line = log_entry('a "b" \\ c\nd', Level.INFO, Form.LOGRUS, terminal=False)
    assert line.endswith('level=info msg="a \\"b\\" \\\\ c\\nd"')
    assert log_entry("word", Level.ERROR, Form.LOGRUS, terminal=False).endswith("level=error msg=word")
    assert log_entry("x y", Level.WARNING, Form.LOGRUS, terminal=True).startswith("\x1b[33mWARN\x1b[0m[")


def test_help_and_version_name_the_program(limactl: Line) -> None:
    assert limactl("--help").out.startswith("Usage: limactl [OPTIONS]")
    assert limactl("list", "--help").out.startswith("Usage: limactl list")
    assert re.fullmatch(r"limactl version \d+\.\d+\.\d+\n", limactl("--version").out)


def test_a_link_of_that_name_is_enough(callao: Line, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("callao")
    link = tmp_path / "limactl"
    link.symlink_to(program)
    done = subprocess.run([link, "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "level=warning" in done.stderr


def test_a_pipe_answers_no_question(limactl: Line) -> None:
    limactl.write("web")
    done = limactl.process("shell", "--tty=true", "web", "true", input="y\n" * 100)
    assert (done.status, "is not running" in done.err) == (1, True)


def test_a_bare_word_is_an_instance_made_from_the_default_template(
    limactl: Line, box: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = limactl.home.parent / "templates"
    templates.mkdir()
    (templates / "default.yaml").write_text(box().read_text())
    (templates / "docker.yaml").write_text("images: []\n")
    monkeypatch.setenv("LIMA_TEMPLATES_PATH", str(templates))
    told = logged(limactl("create", "docker"))
    assert told[:2] == [
        ("info", "Creating an instance `docker` from template:default (Not from template:docker)"),
        ("warning",
         "This form is deprecated. Use `limactl create --name=docker template:default` instead"),
    ]  # fmt: skip
    assert limactl.names() == ["docker"]
    (refused,) = logged(limactl("create", "--name", "b", "a"))
    assert refused == ("fatal", "instance name `a` and CLI flag --name=`b` cannot be specified together")


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_file_of_the_working_directory_is_no_instances_name(
    limactl: Line, box: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(limactl.home.parent)
    Path(f"web.{suffix}").write_text(box().read_text())
    assert limactl("create", "--name", "b", f"web.{suffix}").status == 0
    assert limactl.names() == ["b"]


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("plain", "plain"), ("{{.Name}}\\t{{.CPUs}}", "web\\t2"),
        ("{% if true %}{{.Name}}", "{% if true %}web"),
    ],
)  # fmt: skip
def test_a_format_is_gos_alone(limactl: Line, form: str, out: str) -> None:
    limactl.write("web")
    assert limactl("list", "--format", form).out == f"{out}\n"


@pytest.mark.parametrize(
    ("expression", "changed"),
    [
        ('with(.env; .A = "b" | .C = "d")', {"env": {"A": "b", "C": "d"}}),
        ('.env.K = ("a-a" | sub("a", "b"))', {"env": {"K": "b-b"}}),
        (".dns[].nosuch = true", {}),
        ('del(.networks[] | select(.lima == "user*"))', {}),
    ],
)
def test_set_takes_yqs_language(
    limactl: Line, expression: str, changed: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("images:\n- location: /i.img\n")
    done = limactl("edit", "--set", expression, str(file))
    assert done.status == 0, done.err
    found = yaml.safe_load(file.read_text())
    assert found == {"images": [{"location": "/i.img"}], **changed}


def test_set_reads_no_environment(limactl: Line, tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text("images:\n- location: /i.img\n")
    done = limactl("edit", "--set", ".message = strenv(HOME)", str(file))
    assert (done.status, file.read_text()) == (1, "images:\n- location: /i.img\n")
    assert "env operations have been disabled" in done.err


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (["list", "--tty", "-y"], ("fatal", "cannot use both --tty and --yes flags at the same time")),
        (["-y", "--tty=false", "edit", "web"],
         ("fatal", "cannot use both --tty and --yes flags at the same time")),
        (["rename", "-y", "web", "b"],
         ("warning", "--yes flag is deprecated (--tty=false is still supported and works in the same way. "
                     "Also consider using --start)")),
        (["start-at-login", "no"],
         ("warning", 'Command "start-at-login" is deprecated, use "limactl autostart" instead')),
    ],
)  # fmt: skip
def test_what_limactl_calls_deprecated_or_refuses(
    limactl: Line, line: list[str], entry: tuple[str, str]
) -> None:
    limactl.write("web")
    assert logged(limactl(*line))[0] == entry


def test_info_has_the_version_of_lima_that_it_stands_for(limactl: Line) -> None:
    assert limactl("info", "--yq", ".version").out == limactl("info", "--yq", ".limaVersion").out


def test_show_ssh_names_what_takes_its_place(limactl: Line) -> None:
    config = limactl.write("web").ssh_config
    config.write_text("Host lima-web\n")
    done = limactl("show-ssh", "web")
    assert logged(done) == [
        ("warning", f"`limactl show-ssh` is deprecated. Instead, use `ssh -F {config} lima-web`.")
    ]
    assert done.out == f"ssh -F {config} lima-web\n"
