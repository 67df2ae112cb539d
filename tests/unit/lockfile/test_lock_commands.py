# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao lock`` and ``callao fetch``, and what they find in playbooks and inventories."""

from __future__ import annotations

from pathlib import Path

import pytest
from lockfile.conftest import DISK, Team

from callao.cli.main import main
from callao.errors import LockError
from callao.lockfile import Lock, read
from callao.lockfile.playbook import is_playbook, templates_in_inventory, templates_in_playbook

PLAYBOOK = """
- name: Boxes
  hosts: all
  vars:
    lima_template: from-vars
    secret: !vault |
      $ANSIBLE_VAULT;1.1;AES256
  roles:
    - role: callao.lima.devbox
      vars: {lima_template: from-role}
  pre_tasks:
    - callao.lima.instance: {name: a, template: from-pre-tasks}
  tasks:
    - block:
        - callao.lima.instance: {name: a, template: from-block}
      rescue:
        - callao.lima.instance: {name: a, template: "{{ playbook_dir }}/rescue.yaml"}
    - callao.lima.image: {template: ./image.yaml}
    - callao.lima.instance: name=a template=from-words state=started
    - local_action: {module: callao.lima.instance, name: a, template: from-action}
    - callao.lima.instance: {name: a, template: "{{ item }}"}
    - callao.lima.instance: {name: a, state: absent}
    - ansible.builtin.template: {src: x, dest: y}
    - ansible.builtin.include_tasks: more.yml
    - ansible.builtin.include_tasks: "{{ which }}.yml"
  post_tasks:
    - callao.lima.instance: {name: a, template: from-block}
- import_playbook: other.yml
- import_playbook: callao.lima.site
"""


def test_a_playbook_names_its_templates_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(PLAYBOOK)
    (tmp_path / "more.yml").write_text("- callao.lima.instance: {name: b, template: from-more}\n")
    (tmp_path / "other.yml").write_text(
        "- hosts: x\n  vars: {lima_template: 'https://example.com/x.yaml'}\n- import_playbook: site.yml\n"
    )
    named = templates_in_playbook(tmp_path / "site.yml")
    assert named.references == (
        "from-vars",
        "from-role",
        "from-pre-tasks",
        "from-block",
        str(tmp_path / "rescue.yaml"),
        str(tmp_path / "image.yaml"),
        "from-words",
        "from-action",
        "from-more",
        "https://example.com/x.yaml",
    )
    assert named.unknown == ("{{ item }}",)


def test_a_list_is_a_playbook_and_a_mapping_a_template(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text("- hosts: all\n")
    (tmp_path / "box.yml").write_text("cpus: 1\n")
    assert is_playbook(str(tmp_path / "site.yml"))
    assert not is_playbook(str(tmp_path / "box.yml"))
    assert not is_playbook("debian-12")
    (tmp_path / "site.yml").write_text("- [\n")
    with pytest.raises(LockError, match=r"site\.yml cannot be read"):
        is_playbook(str(tmp_path / "site.yml"))


def test_an_inventory_names_the_template_of_each_box(tmp_path: Path) -> None:
    ours = {"ansible_connection": "callao.lima.instance"}
    hosts = {
        "web": {**ours, "lima_template": "debian-12"},
        "db": {**ours, "lima_template": "./db.yaml"},
        "plain": ours,
        "elsewhere": {"ansible_connection": "ssh"},
        "late": {**ours, "lima_template": "{{ chosen }}"},
    }
    named = templates_in_inventory({"_meta": {"hostvars": hosts}}, tmp_path)
    assert named.references == ("debian-12", str(tmp_path / "db.yaml"), "default")
    assert named.unknown == ("{{ chosen }}",)


@pytest.fixture
def home(team: Team, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMA_HOME", str(team.home))
    monkeypatch.delenv("CALLAO_OFFLINE", raising=False)
    return team.home


def locked(team: Team) -> Lock:
    return read(team.folder / "callao.lock").lock


def test_a_playbook_and_an_inventory_are_locked_by_one_command(
    team: Team, home: Path, box: str, capfd: pytest.CaptureFixture[str]
) -> None:
    other = team.template(f"images: [{{location: '{team.server.url('/disk.qcow2')}'}}]\n", "other.yaml")
    (team.folder / "site.yml").write_text(
        f"- hosts: all\n  tasks:\n    - callao.lima.instance: {{name: a, template: {other}}}\n"
        "    - callao.lima.instance: {name: a, template: '{{ item }}'}\n"
    )
    (team.folder / "hosts.yml").write_text("all: {hosts: {web: {lima_template: box.yaml}}}\n")
    assert main(["lock", "site.yml", "-i", "hosts.yml"]) == 0
    assert set(locked(team).templates) == {"box.yaml", "other.yaml"}
    out, err = capfd.readouterr()
    assert out == ""
    assert "'{{ item }}' is only known when the playbook runs" in err
    assert "Wrote callao.lock" in err


def test_an_inventory_that_is_none_is_told(
    team: Team, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (team.folder / "hosts.json").write_text("{")
    assert main(["lock", "-i", "hosts.json"]) == 1
    assert "Name templates" in capfd.readouterr().err


def test_check_changes_nothing_and_says_what_it_would(
    team: Team, home: Path, box: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "--check", box]) == 1
    assert "callao.lock: not locked: box.yaml" in capfd.readouterr().err
    assert not (team.folder / "callao.lock").exists()
    assert main(["lock", box]) == 0
    assert main(["lock", "--check"]) == 0
    assert "is as it should be: box.yaml" in capfd.readouterr().err
    team.template("cpus: 9\n")
    assert main(["lock", "--check"]) == 1
    assert "changed: box.yaml" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words", [["--update"], ["--update", "box.yaml"], ["box.yaml", "--update"], ["--update=./box.yaml"]]
)
def test_update_locks_anew(team: Team, home: Path, box: str, words: list[str]) -> None:
    assert main(["lock", box]) == 0
    before = locked(team)
    team.template(Path(box).read_text() + "memory: 1GiB\n")
    assert main(["lock"]) == 1
    assert locked(team) == before
    assert main(["lock", *words]) == 0
    assert locked(team) != before


def test_it_works_from_another_folder(
    team: Team, home: Path, box: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (team.folder / "sub").mkdir()
    monkeypatch.chdir(team.folder / "sub")
    assert main(["lock", "../box.yaml", "--file", "../callao.lock"]) == 0
    assert list(locked(team).templates) == ["box.yaml"]
    assert main(["lock", "--file", "../callao.lock"]) == 0
    assert main(["lock", "--file", "../callao.lock", "--update", "box.yaml"]) == 0
    assert list(locked(team).templates) == ["box.yaml"]


def test_nothing_to_lock_is_told(team: Team, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 1
    assert "Name templates, a playbook, or -i INVENTORY" in capfd.readouterr().err


def test_what_is_fetched_is_carried_to_where_no_network_is(
    team: Team, home: Path, box: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", box]) == 0
    assert main(["fetch", "--arch", "all", "--tar", "boxes.tar"]) == 0
    assert "3 files" in capfd.readouterr().err
    monkeypatch.setenv("LIMA_HOME", str(team.folder / "elsewhere"))
    monkeypatch.setenv("CALLAO_OFFLINE", "1")
    assert main(["fetch"]) == 1
    assert "offline mode forbids" in capfd.readouterr().err
    assert main(["fetch", "--from", "boxes.tar"]) == 0
    team.server.resources.clear()
    assert main(["fetch", "--arch", "all"]) == 0
    assert main(["lock", "--check"]) == 0
    assert DISK in [path.read_bytes() for path in (team.folder / "elsewhere").rglob("data")]


def test_only_the_architectures_that_are_wanted_are_fetched(team: Team, home: Path, box: str) -> None:
    assert main(["lock", box]) == 0
    team.server.requests.clear()
    assert main(["fetch", "--arch", "aarch64"]) == 0
    assert "/disk.qcow2" not in {path for path, _ in team.server.requests}


def test_a_lock_that_came_in_the_tar_is_kept_where_there_is_none(
    team: Team, home: Path, box: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", box]) == 0
    assert main(["fetch", "--arch", "all", "--tar", "boxes.tar"]) == 0
    text = (team.folder / "callao.lock").read_text()
    (team.folder / "callao.lock").unlink()
    assert main(["fetch", "--from", "boxes.tar"]) == 0
    assert (team.folder / "callao.lock").read_text() == text
    assert "none here to verify it by" in capfd.readouterr().err
    assert main(["fetch", "--from", "boxes.tar", "--tar", "x"]) == 1
