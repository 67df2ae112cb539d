# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin through the real ansible-inventory, over a home of made-up instances."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import programs

TEMPLATE = (
    "images:\n- location: /nowhere.qcow2\nvmType: qemu\narch: x86_64\ncpus: 2\nmemory: 1GiB\ndisk: 3GiB\n"
)


class Home:
    """A Lima home, and ansible-inventory looking at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "lima"
        (self.path / "_config").mkdir(parents=True)

    def instance(
        self, name: str, *, template: str = "", labels: dict[str, str] | None = None, text: str = TEMPLATE
    ) -> Path:
        folder = self.path / name
        folder.mkdir()
        (folder / "lima.yaml").write_text(text)
        (folder / "callao.json").write_text(json.dumps({"template": template, "labels": labels or {}}))
        return folder

    def run(
        self, *words: str, file: str = "here.callao.yml", source: dict[str, Any] | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        path = self.folder / file
        path.write_text(yaml.safe_dump({"plugin": "callao.lima.instances", **(source or {})}))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment = {**kept, **programs.settings(), "LIMA_HOME": str(self.path), **env}
        return programs.run("ansible-inventory", "-i", str(path), *words, environment=environment)

    def read(self, source: dict[str, Any] | None = None, **env: str) -> dict[str, Any]:
        done = self.run("--list", source=source, **env)
        assert done.returncode == 0, done.stderr
        return plain(json.loads(done.stdout))


def plain(value: Any) -> Any:
    """Without the marks that ansible-inventory puts on text that is not to be templated."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def hosts(inventory: dict[str, Any], group: str) -> list[str]:
    return sorted(inventory.get(group, {}).get("hosts", []))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    running = home.instance("web", template="debian-12", labels={"project": "shop", "tier": "front"})
    (running / "ha.pid").write_text(f"{os.getpid()}\n")
    (running / "ssh.config").write_text("Host lima-web\n  Port 40022\n")
    home.instance("db", template="debian-13", labels={"project": "shop"})
    home.instance("odd", text="cpus: [\n")
    return home


def test_each_instance_is_a_host_with_what_is_known_of_it_in_one_variable(home: Home) -> None:
    variables = home.read()["_meta"]["hostvars"]
    assert sorted(variables) == ["db", "odd", "web"]
    assert set(variables["web"]) == {"ansible_connection", "ansible_lima_home", "lima"}
    web = variables["web"]["lima"]
    assert variables["web"]["ansible_connection"] == "callao.lima.instance"
    assert (web["status"], web["dir"]) == ("Running", str(home.path / "web"))
    assert (web["vm_type"], web["arch"], web["cpus"]) == ("qemu", "x86_64", 2)
    assert (web["memory"], web["disk"]) == (2**30, 3 * 2**30)
    assert web["ssh"]["port"] == 40022
    assert web["labels"] == {"project": "shop", "tier": "front"}
    assert variables["db"]["lima"]["status"] == "Stopped"
    assert variables["odd"]["lima"]["status"] == "Broken"
    assert variables["odd"]["lima"]["errors"] != []


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("lima_status_running", ["web"]),
        ("lima_status_stopped", ["db"]),
        ("lima_status_broken", ["odd"]),
        ("lima_template_debian_12", ["web"]),
        ("lima_template_debian_13", ["db"]),
        ("lima_label_project_shop", ["db", "web"]),
        ("lima_label_tier_front", ["web"]),
    ],
)
def test_instances_are_grouped_by_status_template_and_label(
    home: Home, group: str, members: list[str]
) -> None:
    assert hosts(home.read(), group) == members


def test_a_template_that_is_a_file_gives_the_group_its_name(home: Home) -> None:
    home.instance("own", template="/srv/templates/our-box.yaml")
    assert hosts(home.read(), "lima_template_our_box") == ["own"]


def test_groups_and_variables_of_ones_own_are_composed(home: Home) -> None:
    source = {
        "strict": True,
        "groups": {"shop": "lima.labels.project | default('') == 'shop'"},
        "keyed_groups": [{"key": "lima.vm_type | default('none', true)", "prefix": "type"}],
        "compose": {"home_of": "'dir:' ~ lima.dir"},
    }
    inventory = home.read(source)
    assert hosts(inventory, "shop") == ["db", "web"]
    assert hosts(inventory, "type_qemu") == ["db", "web"]
    assert inventory["_meta"]["hostvars"]["db"]["home_of"] == f"dir:{home.path / 'db'}"


def test_strict_refuses_what_cannot_be_composed(home: Home) -> None:
    loose = {"compose": {"x": "nothing_of_that_name"}}
    assert "x" not in home.read(loose)["_meta"]["hostvars"]["web"]
    done = home.run("--list", source={**loose, "strict": True})
    assert "nothing_of_that_name" in done.stderr


def test_what_an_instance_says_of_itself_is_never_a_template(home: Home, tmp_path: Path) -> None:
    trap = "{{ lookup('ansible.builtin.pipe', 'touch " + str(tmp_path / "sprung") + "') }}"
    home.instance("trap", labels={"x": trap}, text=f'{TEMPLATE}message: "{trap}"\n')
    assert home.read()["_meta"]["hostvars"]["trap"]["lima"]["labels"] == {"x": trap}
    argv = ["ansible", "-i", str(tmp_path / "here.callao.yml"), "-c", "local", "trap"]
    environment = {**os.environ, **programs.settings(), "LIMA_HOME": str(home.path)}
    done = programs.run(*argv, "-m", "debug", "-a", "msg={{ lima.labels.x }}", environment=environment)
    assert "trap | SUCCESS" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "sprung").exists()


def test_a_folder_with_a_name_that_no_instance_can_have_is_left_out(home: Home) -> None:
    (home.path / "not one").mkdir()
    assert sorted(home.read()["_meta"]["hostvars"]) == ["db", "odd", "web"]


def test_a_home_that_is_not_there_is_an_empty_inventory_with_a_warning(home: Home) -> None:
    nowhere = str(home.folder / "nowhere")
    done = home.run("--list", source={"lima_home": nowhere})
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}
    assert f"lima_home: {nowhere} is no folder" in " ".join(done.stderr.split())


def test_a_home_that_is_a_template_is_refused(home: Home) -> None:
    done = home.run("--list", source={"lima_home": "{{ playbook_dir }}/lima"})
    assert "is a template, and an inventory source has none" in " ".join(done.stderr.split())


def test_the_first_filter_that_is_true_decides(home: Home) -> None:
    filters = [
        {"exclude": "lima.labels.tier == 'front'"},
        {"include": "lima.template.startswith('debian')"},
        {"exclude": True},
    ]
    assert sorted(home.read({"filters": filters})["_meta"]["hostvars"]) == ["db"]


def test_a_filter_that_is_neither_include_nor_exclude_is_refused(home: Home) -> None:
    done = home.run("--list", source={"filters": [{"only": "true"}]})
    assert "filters[0]: {'only': 'true'} is not one of" in " ".join(done.stderr.split())


def test_a_home_of_its_own_is_told_to_the_connection(home: Home) -> None:
    inventory = home.read({"lima_home": str(home.path)}, LIMA_HOME="/nowhere")
    assert inventory["_meta"]["hostvars"]["web"]["ansible_lima_home"] == str(home.path)


def test_the_cache_answers_until_it_is_dropped(home: Home) -> None:
    cached = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(home.folder / "cache"),
        "cache_timeout": 3600,
    }
    home.read(cached)
    home.instance("late")
    assert "late" not in home.read(cached)["_meta"]["hostvars"]
    done = home.run("--list", "--flush-cache", source=cached)
    assert "late" in json.loads(done.stdout)["_meta"]["hostvars"]


def test_another_file_is_not_its_business(home: Home) -> None:
    done = home.run("--list", file="here.yaml", ANSIBLE_INVENTORY_ENABLED="callao.lima.instances")
    assert "_meta" in json.loads(done.stdout)
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}


def test_nothing_is_started_or_written(home: Home) -> None:
    before = sorted(str(path) for path in home.path.rglob("*"))
    home.read()
    assert sorted(str(path) for path in home.path.rglob("*")) == before


def test_an_option_that_there_is_not_is_told_with_the_nearest(home: Home) -> None:
    done = home.run("--list", source={"lima_hme": "/x", "fiters": [], "nonsense": 1})
    told = " ".join(done.stderr.split())
    for words in (
        "lima_hme: no such option (did you mean lima_home?)",
        "did you mean filters?",
        "nonsense: no such",
    ):
        assert words in told


def test_a_filter_that_is_no_expression_is_told_with_no_instance_at_hand(home: Home) -> None:
    empty = home.folder / "empty"
    empty.mkdir()
    source = {"lima_home": str(empty), "filters": [{"include": "lima.status =="}, {"exclude": True}]}
    done = home.run("--list", source=source)
    assert "filters[0]: 'lima.status ==' is no Jinja2 expression" in " ".join(done.stderr.split())


def test_instances_of_a_windows_host_without_ssh_are_reached_through_its_own_connection(home: Home) -> None:
    carrier = {
        "where": "desk",
        "program": ["python"],
        "shell": "cmd",
        "disks_home": "C:\\x",
        "needs_login": True,
    }
    (home.path / "_config" / "windows.json").write_text(json.dumps(carrier))
    found = home.read()["_meta"]["hostvars"]["web"]
    assert (found["ansible_connection"], found["lima_host"]) == ("callao.lima.wsl", "desk")
    (home.path / "_config" / "windows.json").write_text(json.dumps({**carrier, "needs_login": False}))
    found = home.read()["_meta"]["hostvars"]["web"]
    assert found["ansible_connection"] == "callao.lima.instance"
    assert "lima_host" not in found
