# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import sys

import pytest
import yaml
from cli.conftest import Line

from callao.cli.terminal.fields import FIELDS
from callao.cli.terminal.output import show_all


def test_a_table_shows_each_instance_in_a_line(callao: Line) -> None:
    callao.write("web", disk="10GiB")
    callao.run("api", memory="2GiB")
    done = callao("list")
    rows = [line.split() for line in done.out.splitlines()]
    assert (done.status, done.err) == (0, "")
    assert rows == [
        ["NAME", "STATUS", "SSH", "VMTYPE", "ARCH", "CPUS", "MEMORY", "DISK", "DIR"],
        ["api", "Running", "127.0.0.1:60022", "qemu", "x86_64", "2", "2GiB", "100GiB", f"{callao.home}/api"],
        ["web", "Stopped", "-", "qemu", "x86_64", "2", "1GiB", "10GiB", f"{callao.home}/web"],
    ]
    assert callao("ls").out == done.out


def test_all_fields_shows_protection_and_errors(callao: Line) -> None:
    callao.write("web").protected.touch()
    callao.write("worse", cpus="many")
    lines = callao("list", "--all-fields").out.splitlines()
    assert lines[0].split()[-2:] == ["PROTECTED", "ERRORS"]
    assert lines[1].split()[-2:] == ["yes", "-"]
    assert "Broken" in lines[2]
    assert "cpus" in lines[2]


def test_nothing_there_is_no_error_and_tells_how_to_begin(callao: Line) -> None:
    done = callao("list")
    assert (done.status, done.out) == (0, "")
    assert "callao start" in done.err
    assert callao("list", "--json").out == callao("list", "-q").out == ""


def test_a_home_that_is_not_there_is_empty_and_stays_so(callao: Line) -> None:
    callao.home.rmdir()
    assert callao("list").status == 0
    assert not callao.home.exists()


def test_names_only(callao: Line) -> None:
    for name in ("b", "a", "c.d"):
        callao.write(name)
    (callao.home / "_config").mkdir()
    (callao.home / ".a.creating").mkdir()
    (callao.home / "not a name").mkdir()
    assert callao("list", "-q").out == "a\nb\nc.d\n"


@pytest.mark.parametrize(
    ("patterns", "names", "status"),
    [
        (["web-*"], ["web-1", "web-2"], 0),
        (["web-?", "db"], ["web-1", "web-2", "db"], 0),
        (["web-2", "web-*"], ["web-2", "web-1"], 0),
        (["web-[2-9]"], ["web-2"], 0),
        (["db", "db"], ["db"], 0),
        (["none"], [], 1),
        (["none", "db"], ["db"], 1),
        (["DB"], [], 1),
    ],
)
def test_patterns_choose(callao: Line, patterns: list[str], names: list[str], status: int) -> None:
    for name in ("web-1", "web-2", "db"):
        callao.write(name)
    done = callao("list", "-q", *patterns)
    assert (done.out.split(), done.status) == (names, status)
    assert ("No instance matches" in done.err) == bool(status)


def test_json_is_one_object_a_line_with_limactls_fields(callao: Line) -> None:
    callao.write("a_b.c", param={"X": "y"}, message="Hello {{.Name}} {{.Param.X}}")
    callao.run("z", message="{{.Status}}, ssh -p {{.SSHLocalPort}} {{.SSHAddress}}")
    lines = callao("list", "--json").out.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert set(first) == set(FIELDS.values())
    assert first["name"] == "a_b.c"
    assert first["hostname"] == "lima-a-b-c"
    assert (first["status"], second["status"]) == ("Stopped", "Running")
    assert (first["cpus"], first["memory"], first["disk"]) == (2, 2**30, 100 * 2**30)
    assert (first["sshLocalPort"], second["sshLocalPort"]) == (0, 60022)
    assert (first["hostAgentPID"], second["hostAgentPID"]) == (0, callao.sleepers[0].pid)
    assert first["sshConfigFile"] == f"{callao.home}/a_b.c/ssh.config"
    assert first["message"] == "Hello a_b.c y"
    assert second["message"] == "Running, ssh -p 60022 127.0.0.1"
    assert first["config"]["param"] == {"X": "y"}
    assert (first["protected"], first["errors"]) == (False, [])
    assert callao("list", "--format", "json").out.splitlines() == lines


def test_json_is_compact_in_limactls_order_and_keeps_what_the_file_says(callao: Line) -> None:
    callao.write(
        "web", memory="1024MiB", disk="3M", param={"X": "ñ"}, env={"A": "$PARAM_X"},
        mounts=[{"location": "/srv/a", "9p": {"msize": "131072"}}],
        provision=[{"mode": "data", "path": "/etc/x", "content": "{{.Param.X}}"}],
    )  # fmt: skip
    (line,) = callao("list", "--json").out.splitlines()
    found = json.loads(line)
    assert list(found) == list(FIELDS.values())
    assert line.startswith('{"name":"web","hostname":"lima-web","status":"Stopped","dir":')
    assert '"param":{"X":"ñ"}' in line
    config = found["config"]
    assert (config["memory"], config["disk"]) == ("1024MiB", "3M")
    assert config["mounts"][0]["9p"]["msize"] == "131072"
    assert list(config)[:7] == ["vmType", "os", "arch", "images", "cpus", "memory", "disk"]
    assert list(config["provision"][0]) == ["mode", "content", "overwrite", "owner", "path", "permissions"]
    assert "networks" not in config


def test_yaml_is_a_document_each(callao: Line) -> None:
    callao.write("a")
    callao.write("b")
    out = callao("list", "--yaml").out
    assert [each["name"] for each in yaml.safe_load_all(out)] == ["a", "b"]
    assert callao("list", "--format=yaml").out == out


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("{{.Name}}", "web"),
        ("{{ .Name }} {{- .Status}}", "webStopped"),
        ("{{.Name}}\\t{{.CPUs}}", "web\t2"),
        ("{{.Config.SSH.LocalPort}}", "60022"),
        ("{{.Config.CPUs}}", "2"),
        ("{{.Param.WHO}}", "me"),
        ("{{.Protected}}", "false"),
        ("{{ name }}", "web"),
        ("{{ name | upper }}:{% if protected %}p{% else %}u{% endif %}", "WEB:u"),
        ("{% for i in range(2) %}{{ i }}{% endfor %}", "01"),
        ("{{ range(3) | list }}", "[0, 1, 2]"),
        ("plain", "plain"),
    ],
)
def test_a_format_is_gos_fields_or_jinja2(callao: Line, form: str, out: str) -> None:
    callao.write("web", param={"WHO": "me"}, message="{{.Param.WHO}}", ssh={"localPort": 60022})
    done = callao("list", "--format", form)
    assert (done.out, done.err, done.status) == (f"{out}\n", "", 0)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("{{range .}}{{.Name}}{{end}}", "--format:"),
        ("{{if .Protected}}", "--format:"),
        ("{{with .Config}}{{.Nome}}{{end}}", "there is no field Nome"),
        ("{{indent -1 .Name}}", "a number of spaces, 0 to 1000"),
        ("{{missing .CPUs}}", "the last argument is a text"),
        ("{{.Config.Nome}}", "there is no 'Nome'"),
        ("{{.Name.Nome}}", "there is no 'Nome'"),
        ("{{.Nome}}", "there is no field 'Nome' (allowed: Name, "),
        ("{{ nome }}", "'nome' is undefined. 'callao list --list-fields' names the fields."),
        ("{{ name", "--format: '{{ name': "),
        ("{{ cpus / 0 }}", "division by zero"),
        ("{{ name + 1 }}", "--format:"),
        ("{{ name | nofilter }}", "nofilter"),
        ("{{ ''.__class__.__mro__ }}", "--format:"),
    ],
)  # fmt: skip
def test_a_format_that_is_none_is_one_line(callao: Line, form: str, words: str) -> None:
    callao.write("web")
    done = callao("list", "--format", form)
    assert (done.status, done.out) == (1, "")
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("{{if .Protected}}p{{else}}u{{end}} {{.Name}}", "u web"),
        ("{{range .Config.Mounts}}{{.Location}}{{if .Writable}}!{{end}};{{end}}", "/srv/a!;/srv/b;"),
        ("{{with .Config}}{{.CPUs}} {{.Memory}}{{end}}", "2 1GiB"),
        ('{{if and (eq .Status "Stopped") (gt .CPUs 1)}}{{.Name}}{{end}}', "web"),
        ('{{.Name | printf "%-5s"}}|{{len .Config.Mounts}}', "web  |2"),
        ("{{(index .Config.Mounts 1).MountPoint}}", "/srv/b"),
        ("{{range .Config.PortForwards}}{{.GuestPort}}:{{.HostPort}}{{end}}", "80:8080"),
        ("{{$x := .Name}}{{$x}}\\t{{$x}}", "web\tweb"),
        ("{{json .Name}} {{json .Param}}", '"web" {"WHO":"ñ"}'),
        ("{{json .Config.Param}}{{json .Config.Containerd}}",
         '{"WHO":"ñ"}{"system":false,"user":false}'),
        ("{{yaml .Param}}", "---\nWHO: ñ"),
        ("{{indent 3 .Message}}|{{.Message | indent}}", "   ñ|  ñ"),
        ('{{missing "none" .Template}} {{missing "none" .Name}} {{missing .Template}}',
         "none web <missing>"),
        ("{{.Instance.Name}}{{/* the same */}}", "web"),
    ],
)  # fmt: skip
def test_a_format_may_be_any_template_of_gos(callao: Line, form: str, out: str) -> None:
    callao.write(
        "web", param={"WHO": "ñ"}, message="{{.Param.WHO}}\n",
        mounts=[{"location": "/srv/a", "writable": True}, {"location": "/srv/b"}],
        portForwards=[{"guestPort": 80, "hostPort": 8080}],
    )  # fmt: skip
    done = callao("list", "--format", form)
    assert (done.out, done.err, done.status) == (f"{out}\n", "", 0)


def test_json_of_all_is_the_same_by_a_template(callao: Line) -> None:
    callao.write("web", message="Hello\n")
    assert callao("list", "--format", "{{json .}}").out == callao("list", "--json").out


def test_two_formats_are_refused(callao: Line) -> None:
    done = callao("list", "--json", "--format", "yaml")
    assert (done.status, done.out) == (1, "")
    assert "option --json conflicts with option --format" in done.err


def test_the_fields_are_listed(callao: Line) -> None:
    deprecated = {"HostOS", "HostArch", "LimaHome", "IdentityFile"}
    listed = callao("list", "--list-fields").out.split()
    assert listed == [each for each in FIELDS if each not in deprecated]


def test_every_field_can_be_printed(callao: Line) -> None:
    callao.write("web")
    form = " ".join("{{." + field + "}}" for field in FIELDS)
    assert callao("list", "--format", form).status == 0


def test_a_broken_one_is_listed_with_its_reasons(callao: Line) -> None:
    callao.write("good")
    (callao.home / "empty").mkdir()
    (callao.home / "bad").mkdir()
    (callao.home / "bad" / "lima.yaml").write_text("cpus: [")
    found = {each["name"]: each for each in map(json.loads, callao("list", "--json").out.splitlines())}
    assert {name: each["status"] for name, each in found.items()} == {
        "bad": "Broken", "empty": "Broken", "good": "Stopped",
    }  # fmt: skip
    assert "lima.yaml" in found["bad"]["errors"][0]
    assert "cannot be read" in found["empty"]["errors"][0]
    assert found["bad"]["config"] is None
    table = callao("list").err
    assert "instance 'bad' is broken: lima.yaml" in table
    assert "instance 'empty' is broken: lima.yaml cannot be read" in table


def test_a_machine_without_its_agent_is_broken(callao: Line) -> None:
    from callao.instances import Runtime
    from callao.instances.process_identity import ProcessIdentity
    from callao.instances.records import read_json, write_json

    paths = callao.run("web")
    runtime = read_json(paths.runtime, Runtime)
    assert runtime is not None
    assert runtime.driver is not None
    dead = ProcessIdentity(pid=runtime.driver.pid, started=1)
    write_json(paths.runtime, Runtime(agent=dead, driver=runtime.driver))
    out = callao("list", "--all-fields").out
    assert "Broken" in out
    assert "without its host agent" in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_locale_that_has_not_a_character_is_no_exception(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    entry = {"name": "web", "dir": "/höme/ł"}
    lines = []
    for form in ("json", "{{.Dir}}"):
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", out)
        show_all([entry], form, lambda _form: lambda each: str(each["dir"]))
        out.seek(0)
        lines.append(out.read().rstrip("\n"))
        monkeypatch.undo()
    assert json.loads(lines[0]) == entry
    assert lines[1].endswith("\\u0142")
