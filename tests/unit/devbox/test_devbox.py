# SPDX-License-Identifier: GPL-3.0-or-later
"""The role devbox and its playbooks, through the real ansible-playbook in check mode: no machine is made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import programs

from callao.lockfile import make, write

REPOSITORY = Path(__file__).parents[3]
PROBE = """
- name: Bring up the boxes
  hosts: devboxes
  gather_facts: false
  roles: [callao.lima.devbox]
  tasks:
    - name: Keep what came of it
      keep:
        content: "{{ devbox_result | to_json }}"
        dest: "{{ results }}/{{ inventory_hostname }}"
"""
CHOICE = """
- name: Tell what role devbox makes of its variables
  hosts: devboxes
  gather_facts: false
  vars_files: [%s/roles/devbox/vars/main.yml]
  tasks:
    - name: Keep it
      keep:
        content: "{{ [devbox_debian | first, devbox_golden_release] | to_json }}"
        dest: "{{ results }}/{{ inventory_hostname }}"
"""


class Plays:
    """Playbooks on an inventory of boxes, in a Lima home of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lima"
        self.home.mkdir()
        (folder / "results").mkdir()
        self.template = folder / "box.yaml"
        self.template.write_text("images:\n- location: /nowhere.qcow2\n")

    def run(self, playbook: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return self.run_each(playbook, {"web": variables}, *words)

    def run_each(
        self, playbook: str, boxes: dict[str, dict[str, Any]], *words: str
    ) -> subprocess.CompletedProcess[str]:
        """The playbook on boxes with these variables."""
        hosts = {name: {"ansible_connection": "callao.lima.instance", **box} for name, box in boxes.items()}
        if "\n" in playbook:
            (self.folder / "play.yml").write_text(playbook)
            playbook = str(self.folder / "play.yml")
        return self.play(playbook, *words, inventory=json.dumps({"devboxes": {"hosts": hosts}}))

    def play(
        self, playbook: str | Path, *words: str, inventory: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        hosts = self.folder / ("hosts.ini" if inventory.startswith("[") else "hosts.json.yml")
        hosts.write_text(inventory)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        argv = [
            "ansible-playbook",
            "-i",
            str(hosts),
            "-e",
            f"results={self.folder / 'results'}",
            str(playbook),
        ]
        environment = {**kept, **programs.settings(), "LIMA_HOME": str(self.home)}
        return programs.run(*argv, *words, environment=environment, cwd=cwd)

    def result(self, box: str = "web") -> Any:
        return json.loads((self.folder / "results" / box).read_text())

    def after_each(self, boxes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The effective configuration that each of the boxes would get."""
        wished = {name: {"lima_template": str(self.template), **box} for name, box in boxes.items()}
        done = self.run_each(PROBE, wished, "--check", "--diff")
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: configuration(self.result(name)) for name in boxes}


def configuration(result: Any) -> dict[str, Any]:
    after = result["diff"]["after"]
    return yaml.safe_load(after) if isinstance(after, str) else after


@pytest.fixture
def plays() -> Iterator[Plays]:
    """Right under /tmp, for its sockets have short names."""
    with tempfile.TemporaryDirectory(prefix="db-", dir="/tmp") as folder:
        yield Plays(Path(folder))


def test_every_variable_reaches_the_configuration(plays: Plays) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ana@here"
    wished = {
        "lima_cpus": 3,
        "lima_memory": "2GiB",
        "lima_disk": "7GiB",
        "lima_mounts": [{"location": str(plays.folder), "mountPoint": "/mnt/here"}],
        "lima_port_forwards": [{"guestPort": 8080, "hostPort": 18081}],
        "lima_provision": [{"mode": "system", "script": "#!/bin/sh\ntrue\n"}],
        "lima_user": {"name": "ana"},
        "lima_labels": {"project": "shop"},
        "lima_config": {"timezone": "America/Lima"},
        "lima_authorized_keys": [key],
    }
    after = plays.after_each({"web": wished})["web"]
    assert (after["cpus"], after["memory"], after["disk"]) == (3, "2GiB", "7GiB")
    assert after["mounts"][0]["mountPoint"] == "/mnt/here"
    assert after["portForwards"][0]["hostPortRange"] == [18081, 18081]
    scripts = [script["script"] for script in after["provision"]]
    assert any(key in script for script in scripts)
    assert "#!/bin/sh\ntrue\n" in scripts
    assert after["user"]["name"] == "ana"
    assert after["labels"] == {"project": "shop"}
    assert after["timezone"] == "America/Lima"


def test_variables_without_a_value_leave_the_template_alone(plays: Plays) -> None:
    said = {"lima_cpus": None, "lima_memory": None, "lima_arch": None, "lima_vm_type": None}
    after = plays.after_each({"said": said, "silent": {}})
    assert after["said"] == after["silent"]


def test_check_mode_makes_nothing(plays: Plays) -> None:
    done = plays.run("callao.lima.site", "--check", lima_template=str(plays.template))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=1 " in done.stdout
    assert [path.name for path in plays.home.iterdir() if path.name[0] not in "._"] == []


WRONG = [
    ({"lima_cpus": "many"}, "lima_cpus"),
    ({"lima_state": "up"}, "lima_state"),
    ({"lima_golden": "maybe"}, "lima_golden"),
    ({"lima_mounts": [3]}, "lima_mounts"),
    ({"lima_config": {"cpus": -1}}, "cpus"),
    ({"lima_cpu": 2}, "lima_cpu: no such option of role callao.lima.devbox"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one run says of each of the boxes that have a wrong variable."""
    plays = Plays(tmp_path_factory.mktemp("refused"))
    boxes = {
        f"box{number}": {"lima_template": str(plays.template), **variables}
        for number, (variables, _) in enumerate(WRONG)
    }
    done = plays.run_each("callao.lima.site", boxes, "--check")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    found = re.findall(
        r"^fatal: \[(\w+)[^]]*\]: FAILED! => (.*?)(?=^\S*: \[|^$)", done.stdout, re.MULTILINE | re.DOTALL
    )
    return dict(found)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_variable_is_named(refused: dict[str, str], number: int) -> None:
    assert WRONG[number][1] in refused[f"box{number}"]


CHOICES = [
    ({"lima_template": "debian-12"}, "12", "12"),
    ({"lima_template": "debian-13"}, "13", "13"),
    ({"lima_template": "template:debian-13"}, "13", "13"),
    ({"lima_template": "template://debian-12"}, "12", "12"),
    ({"lima_template": "debian-13", "lima_golden_release": "12"}, "13", "12"),
    ({"lima_template": "debian-11"}, "", "12"),
    ({"lima_template": "ubuntu-24.04"}, "", "12"),
    ({"lima_template": "./debian-12.yaml"}, "", "12"),
    ({"lima_template": "my-debian-12"}, "", "12"),
    ({}, "", "12"),
]


@pytest.fixture(scope="module")
def choices(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What role devbox makes of each."""
    plays = Plays(tmp_path_factory.mktemp("choices"))
    boxes = {f"box{number}": variables for number, (variables, _, _) in enumerate(CHOICES)}
    done = plays.run_each(CHOICE % REPOSITORY, boxes)
    assert done.returncode == 0, done.stdout + done.stderr
    return [plays.result(name) for name in boxes]


@pytest.mark.parametrize("number", range(len(CHOICES)))
def test_only_a_debian_that_can_be_built_is_replaced_unasked(choices: list[list[str]], number: int) -> None:
    _, debian, release = CHOICES[number]
    assert choices[number] == [debian, release]


def test_booleans_and_numbers_that_are_text_are_what_they_say(plays: Plays) -> None:
    words = [
        "-e",
        "lima_recreate=true",
        "-e",
        "lima_offline=false",
        "-e",
        "lima_cpus=3",
        "-e",
        "lima_warm=false",
    ]
    done = plays.run("callao.lima.site", "--check", *words, lima_template=str(plays.template))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("inventory", ["ini", "yaml"])
def test_a_relative_template_and_playbook_dir_are_those_of_the_users_playbook(
    plays: Plays, tmp_path: Path, inventory: str
) -> None:
    (plays.folder / "site.yml").write_text("- import_playbook: callao.lima.site\n")
    (plays.folder / "disk").write_bytes(b"a disk")
    plays.template.write_text(f"images: [{{location: {plays.folder}/disk}}]\n")
    write(plays.folder / "callao.lock", make([str(plays.template)], plays.home, folder=plays.folder))
    says = {"lima_template": "./box.yaml", "lima_lock": "{{ playbook_dir }}/callao.lock"}
    if inventory == "ini":
        words = " ".join(f'{key}="{value}"' for key, value in says.items())
        text = f"[devboxes]\nweb ansible_connection=callao.lima.instance {words}\n"
    else:
        box = {"ansible_connection": "callao.lima.instance", **says}
        text = json.dumps({"devboxes": {"hosts": {"web": box}}})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = plays.play(plays.folder / "site.yml", "--check", inventory=text, cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=1 " in done.stdout


@pytest.mark.parametrize("down", ["stopped", "absent"])
def test_down_passes_over_a_box_that_is_not_there(plays: Plays, down: str) -> None:
    done = plays.run("callao.lima.down", "-e", f"lima_down={down}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0 " in done.stdout


def test_the_variables_of_the_example_are_ones_that_the_role_has() -> None:
    specs = yaml.safe_load((REPOSITORY / "roles/devbox/meta/argument_specs.yml").read_text())
    known = set(specs["argument_specs"]["main"]["options"])
    group = yaml.safe_load((REPOSITORY / "examples/inventory.yml").read_text())["devboxes"]
    used = {*group["vars"], *(name for host in group["hosts"].values() for name in host)}
    assert {name for name in used if name.startswith("lima_")} - known == set()


def test_a_lock_holds_the_box_to_its_template_and_image(plays: Plays) -> None:
    (plays.folder / "disk").write_bytes(b"a disk")
    plays.template.write_text(f"images: [{{location: {plays.folder}/disk}}]\n")
    changed = plays.folder / "changed.yaml"
    changed.write_text(plays.template.read_text())
    boxes = {}
    for name, template in (("web", plays.template), ("db", changed)):
        lock = plays.folder / f"{name}.lock"
        write(lock, make([str(template)], plays.home, folder=plays.folder))
        boxes[name] = {"lima_template": str(template), "lima_lock": str(lock), "lima_offline": True}
    changed.write_text(changed.read_text() + "cpus: 3\n")
    done = plays.run_each(PROBE, boxes, "--check", "--diff")
    assert configuration(plays.result("web"))["images"][0]["digest"].startswith("sha256:")
    assert done.returncode != 0
    assert "changed: changed.yaml" in done.stdout


def test_a_box_that_has_another_name_now_is_renamed_protected_and_taken_down_on_purpose(
    plays: Plays,
) -> None:
    folder = plays.home / "older"
    folder.mkdir()
    (folder / "lima.yaml").write_text("images: [{location: /nowhere.qcow2}]\ncpus: 1\n")
    wished: dict[str, Any] = {"lima_state": "present", "lima_renamed_from": "older", "lima_protected": "yes"}
    done = plays.run("callao.lima.site", lima_autostart_at_login=False, **wished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (plays.home / "web" / "protected").exists()
    assert not folder.exists()
    words = ("-e", "lima_down=absent")
    assert plays.run("callao.lima.down", *words, **wished).returncode != 0
    done = plays.run("callao.lima.down", *words, "-e", "lima_protected=false", **wished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (plays.home / "web").exists()
