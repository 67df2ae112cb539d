# SPDX-License-Identifier: GPL-3.0-or-later
"""The role devbox and its playbooks, through the real ansible-playbook in check mode: no machine is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from callao.lockfile import make, write

REPOSITORY = Path(__file__).parents[3]
PROBE = """
- name: Bring up the boxes
  hosts: devboxes
  gather_facts: false
  roles: [callao.lima.devbox]
  tasks:
    - name: Keep what came of it
      ansible.builtin.copy:
        content: "{{ devbox_result | to_json }}"
        dest: "{{ result_file }}"
        mode: "0600"
      delegate_to: localhost
      check_mode: false
"""
CHOICE = """
- name: Tell what role devbox makes of its variables
  hosts: devboxes
  gather_facts: false
  vars_files: [%s/roles/devbox/vars/main.yml]
  tasks:
    - name: Keep it
      ansible.builtin.copy:
        content: "{{ [devbox_debian | first, devbox_golden_release] | to_json }}"
        dest: "{{ result_file }}"
        mode: "0600"
      delegate_to: localhost
"""


class Plays:
    """Playbooks on an inventory of one box, in a Lima home of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lima"
        self.home.mkdir()
        (folder / "ansible.cfg").write_text("[defaults]\n")
        self.template = folder / "box.yaml"
        self.template.write_text("images:\n- location: /nowhere.qcow2\n")

    def run(self, playbook: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        box = {"ansible_connection": "callao.lima.instance", **variables}
        if "\n" in playbook:
            (self.folder / "play.yml").write_text(playbook)
            playbook = str(self.folder / "play.yml")
        return self.play(playbook, *words, inventory=json.dumps({"devboxes": {"hosts": {"web": box}}}))

    def play(
        self, playbook: str | Path, *words: str, inventory: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        hosts = self.folder / ("hosts.ini" if inventory.startswith("[") else "hosts.json.yml")
        hosts.write_text(inventory)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment = {
            **kept,
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".dev"),
            "LIMA_HOME": str(self.home),
        }
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts)]
        argv += ["-e", f"result_file={self.folder / 'result.json'}", str(playbook), *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=cwd)

    def result(self) -> Any:
        return json.loads((self.folder / "result.json").read_text())

    def after(self, **variables: Any) -> dict[str, Any]:
        """The effective configuration that the box would get."""
        variables.setdefault("lima_template", str(self.template))
        done = self.run(PROBE, "--check", "--diff", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        after = self.result()["diff"]["after"]
        return yaml.safe_load(after) if isinstance(after, str) else after


@pytest.fixture
def plays(tmp_path: Path) -> Plays:
    return Plays(tmp_path)


def test_every_variable_reaches_the_configuration(plays: Plays) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ana@here"
    after = plays.after(
        lima_cpus=3,
        lima_memory="2GiB",
        lima_disk="7GiB",
        lima_mounts=[{"location": str(plays.folder), "mountPoint": "/mnt/here"}],
        lima_port_forwards=[{"guestPort": 8080, "hostPort": 18081}],
        lima_provision=[{"mode": "system", "script": "#!/bin/sh\ntrue\n"}],
        lima_user={"name": "ana"},
        lima_labels={"project": "shop"},
        lima_config={"timezone": "America/Lima"},
        lima_authorized_keys=[key],
    )
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
    assert plays.after(**said) == plays.after()


def test_check_mode_makes_nothing(plays: Plays) -> None:
    done = plays.run("callao.lima.site", "--check", lima_template=str(plays.template))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=1 " in done.stdout
    assert [path.name for path in plays.home.iterdir() if path.name[0] not in "._"] == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"lima_cpus": "many"}, "lima_cpus"),
        ({"lima_state": "up"}, "lima_state"),
        ({"lima_golden": "maybe"}, "lima_golden"),
        ({"lima_mounts": [3]}, "lima_mounts"),
        ({"lima_config": {"cpus": -1}}, "cpus"),
        ({"lima_cpu": 2}, "lima_cpu: no such option of role callao.lima.devbox"),
    ],
)
def test_a_wrong_variable_is_named(plays: Plays, variables: dict[str, Any], says: str) -> None:
    done = plays.run("callao.lima.site", "--check", lima_template=str(plays.template), **variables)
    assert done.returncode != 0
    assert says in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variables", "debian", "release"),
    [
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
    ],
)
def test_only_a_debian_that_can_be_built_is_replaced_unasked(
    plays: Plays, variables: dict[str, str], debian: str, release: str
) -> None:
    done = plays.run(CHOICE % REPOSITORY, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert plays.result() == [debian, release]


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
    lock = plays.folder / "callao.lock"
    (plays.folder / "disk").write_bytes(b"a disk")
    plays.template.write_text(f"images: [{{location: {plays.folder}/disk}}]\n")
    write(lock, make([str(plays.template)], plays.home, folder=plays.folder))
    after = plays.after(lima_lock=str(lock), lima_offline=True)
    assert after["images"][0]["digest"].startswith("sha256:")
    plays.template.write_text(plays.template.read_text() + "cpus: 3\n")
    done = plays.run(
        "callao.lima.site",
        "--check",
        lima_template=str(plays.template),
        lima_lock=str(lock),
        lima_offline=True,
    )
    assert done.returncode != 0
    assert "changed: box.yaml" in done.stdout
