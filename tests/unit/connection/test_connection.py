# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin over a real sshd: which way it takes, and what it says when there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import programs
from support.sshd import USER, Box, Sshd, free_port, proxied_reach

from callao.ssh import known_hosts


def ansible(
    environment: dict[str, str], command: str, *, host: str = "web", **variables: object
) -> subprocess.CompletedProcess[str]:
    """``ansible HOST -m raw -a COMMAND`` over the plugin."""
    options = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    argv = [
        "ansible",
        "-i",
        f"{host},",
        "-c",
        "callao.lima.instance",
        "-m",
        "raw",
        "-a",
        command,
        *options,
        host,
    ]
    return programs.run(*argv, environment=environment)


def masters(control_dir: Path) -> list[Path]:
    return sorted(path for path in control_dir.iterdir() if path.is_socket())


@pytest.fixture
def web(box: Box) -> Sshd:
    """The sshd of a running instance ``web``."""
    sshd = box.start()
    box.instance("web", sshd)
    return sshd


def test_another_host_name_reaches_the_instance_that_lima_instance_names(
    web: Sshd, environment: dict[str, str]
) -> None:
    done = ansible(environment, "echo there", host="shop", lima_instance="web")
    assert "there" in done.stdout, done.stderr


def test_an_instance_is_reached_by_its_proxy_command(
    box: Box, environment: dict[str, str], tmp_path: Path
) -> None:
    sshd = box.start()
    box.instance("web", sshd, reach=proxied_reach(tmp_path / "join it.py", sshd.port))
    done = ansible(environment, "echo there")
    assert "there" in done.stdout, done.stderr


def test_address_and_port_of_the_inventory_do_not_count(web: Sshd, environment: dict[str, str]) -> None:
    done = ansible(environment, "echo there", ansible_host="192.0.2.1", ansible_port=9)
    assert "there" in done.stdout, done.stderr


def test_a_home_of_its_own_goes_before_the_environments(
    web: Sshd, box: Box, environment: dict[str, str]
) -> None:
    done = ansible(environment | {"LIMA_HOME": "/nowhere"}, "echo there", lima_home=box.home)
    assert "there" in done.stdout, done.stderr


def test_another_user_can_be_asked_for(web: Sshd, environment: dict[str, str]) -> None:
    done = ansible(environment, "true", ansible_user="nobody-there")
    assert "nobody-there@" in done.stdout
    assert "Permission denied" in done.stdout


def test_a_wrong_host_key_is_refused_even_where_checking_is_off(
    web: Sshd, box: Box, environment: dict[str, str], control_dir: Path
) -> None:
    impostor = box.start()
    known = known_hosts("lima-web", Path(f"{impostor.host_key}.pub").read_text())
    (box.home / "web" / "known_hosts").write_text(known)
    done = ansible(environment, "echo there", ansible_host_key_checking=False)
    assert "Host key verification failed" in done.stdout
    assert "there\n" not in done.stdout
    assert masters(control_dir) == []


def test_options_of_the_user_cannot_loosen_the_check(
    web: Sshd, box: Box, environment: dict[str, str]
) -> None:
    impostor = box.start()
    known = known_hosts("lima-web", Path(f"{impostor.host_key}.pub").read_text())
    (box.home / "web" / "known_hosts").write_text(known)
    loose = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o HostKeyAlias=x"
    done = ansible(environment | {"ANSIBLE_SSH_ARGS": loose}, "echo there")
    assert "Host key verification failed" in done.stdout


def test_an_instance_that_lima_runs_is_entered_only_with_checking_off(
    web: Sshd, box: Box, environment: dict[str, str]
) -> None:
    (box.home / "web" / "known_hosts").unlink()
    refused = ansible(environment, "echo there")
    assert "was not started by Callao" in refused.stdout
    assert "ansible_host_key_checking" in refused.stdout
    allowed = ansible(environment, "echo there", ansible_host_key_checking=False)
    assert "there" in allowed.stdout, allowed.stdout


@pytest.mark.parametrize(
    "ssh_args", [None, "-o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/mine"]
)
def test_one_control_master_serves_all_tasks(
    web: Sshd, environment: dict[str, str], control_dir: Path, ssh_args: str | None
) -> None:
    own = {} if ssh_args is None else {"ANSIBLE_SSH_ARGS": ssh_args}
    for _ in range(2):
        done = ansible(environment | own | {"ANSIBLE_VERBOSITY": "3"}, "true")
        assert done.returncode == 0
        assert "ConnectTimeout=60" in done.stdout  # a guest may be emulated
    assert len(masters(control_dir)) == 1
    assert (web.folder / "sshd.log").read_text().count("Accepted publickey") == 1


def test_a_recreated_instance_on_the_same_port_never_meets_the_old_master(
    box: Box, environment: dict[str, str], control_dir: Path
) -> None:
    port = free_port()
    first = box.start(port=port, mark="first")
    box.instance("web", first)
    assert "firstx" in ansible(environment, "echo $CALLAO_MARK").stdout
    first.stop()  # its session lives on, and so does the master

    box.instance("web", box.start(port=port, mark="second"))
    assert "secondx" in ansible(environment, "echo $CALLAO_MARK").stdout
    assert len(masters(control_dir)) == 2


def test_reset_ends_the_masters_of_every_start(
    box: Box, environment: dict[str, str], control_dir: Path, tmp_path: Path
) -> None:
    port = free_port()
    first = box.start(port=port)
    box.instance("web", first)
    ansible(environment, "true")
    first.stop()
    box.instance("web", box.start(port=port))
    ansible(environment, "true")
    assert len(masters(control_dir)) == 2

    play = tmp_path / "reset.yml"
    play.write_text("- {hosts: all, gather_facts: false, tasks: [{meta: reset_connection}]}\n")
    argv = ["ansible-playbook", "-i", "web,", "-c", "callao.lima.instance", str(play)]
    done = programs.run(*argv, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert masters(control_dir) == []


def gone(box: Box) -> None:
    shutil.rmtree(box.home / "web")


def stopped(box: Box) -> None:
    (box.home / "web" / "ha.pid").unlink()


def died(box: Box) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    (box.home / "web" / "ha.pid").write_text(f"{child.pid}\n")


def broken(box: Box) -> None:
    stopped(box)
    (box.home / "web" / "lima.yaml").write_text("cpus: [\n")


@pytest.mark.parametrize(
    ("happened", "says"),
    [
        (gone, ["instance 'web' does not exist in", "callao.lima.instance", "state: started"]),
        (stopped, ["instance 'web' is stopped", "callao.lima.instance", "state: started", "lima_autostart"]),
        (died, ["instance 'web' is stopped", "state: started"]),
        (broken, ["instance 'web' is broken", "lima.yaml", "recreate"]),
    ],
)
def test_an_instance_that_cannot_be_reached_is_unreachable_with_the_remedy(
    web: Sshd, box: Box, environment: dict[str, str], happened: object, says: list[str]
) -> None:
    happened(box)  # type: ignore[operator]
    done = ansible(environment, "true")
    assert "UNREACHABLE" in done.stdout
    assert [text for text in says if text not in done.stdout] == []
    assert "Traceback" not in done.stdout + done.stderr


def test_in_check_mode_an_instance_that_an_earlier_play_would_make_is_told_as_that(
    environment: dict[str, str],
) -> None:
    argv = ("-i", "later,", "-c", "callao.lima.instance", "-m", "ping", "later")
    told = [
        " ".join(programs.run("ansible", *argv, *more, environment=environment).stdout.split())
        for more in ([], ["--check"])
    ]
    assert ["In check mode no task makes it" in each for each in told] == [False, True]


def test_in_check_mode_a_stopped_instance_is_not_started(
    web: Sshd, box: Box, environment: dict[str, str]
) -> None:
    stopped(box)
    wish = ("-e", "lima_autostart=true", "--check")
    argv = ("-i", "web,", "-c", "callao.lima.instance", "-m", "ping", *wish, "web")
    told = programs.run("ansible", *argv, environment=environment).stdout
    assert "lima_autostart starts nothing in check mode" in " ".join(told.split())
    assert not (box.home / "web" / "ha.pid").exists()


@pytest.mark.parametrize("name", ["../web", "web/", "_config", "a b"])
def test_a_name_that_cannot_be_an_instances_is_refused(
    web: Sshd, environment: dict[str, str], name: str
) -> None:
    done = ansible(environment, "true", lima_instance=f"'{name}'")
    assert "UNREACHABLE" in done.stdout
    assert "lima_instance:" in done.stdout


TASK = """
import sys
from ansible import constants
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader, init_plugin_loader

init_plugin_loader()
{preload}
connection = connection_loader.get("callao.lima.instance", PlayContext())
connection.set_options(var_options={{"lima_instance": "web"}})
print(connection.get_option("port"), connection.get_option("remote_user"))
print([name for name in ("callao", "psutil", "msgspec") if name in sys.modules])
print(sorted(connection.get_options()))
print("ansible_collections.callao.lima.plugins.doc_fragments.ssh_options" in sys.modules)
"""
"""What one task's process does; ``preload`` is what ansible-playbook does before it begins."""


def test_what_a_task_pays_for_is_neither_the_engine_nor_the_documentation(
    web: Sshd, environment: dict[str, str]
) -> None:
    def lines(preload: str) -> list[str]:
        argv = [sys.executable, "-c", TASK.format(preload=preload)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    playbook, alone = lines("list(connection_loader.all(class_only=True))"), lines("")
    assert playbook[:2] == [f"{web.port} {USER}", "[]"]
    assert playbook[2] == alone[2]
    assert (playbook[3], alone[3]) == ("False", "True")


def test_every_option_of_the_ssh_plugin_is_there(environment: dict[str, str]) -> None:
    argv = ["ansible-doc", "-t", "connection", "-j"]

    def options(name: str) -> set[str]:
        done = programs.run(*argv, name, environment=environment)
        return set(json.loads(done.stdout)[name]["doc"]["options"])

    assert options("ssh") - options("callao.lima.instance") == set()


@pytest.mark.parametrize("folder", ["100%h of it, ümläut"])
def test_a_home_of_an_odd_name_is_reached_by_the_plugin_and_by_its_ssh_config(
    web: Sshd, box: Box, environment: dict[str, str], tmp_path: Path, folder: str
) -> None:
    home = tmp_path / folder
    box.home.rename(home)
    box.home.symlink_to(home)  # where sshd looks for whom it lets in
    moved = replace(box, home=home)
    config = moved.instance("web", web) / "ssh.config"
    done = ansible(environment | {"LIMA_HOME": str(home)}, "printf %s-%s he re")
    assert "he-re" in done.stdout, done.stderr
    options = ["-o", "ControlMaster=no", "-o", "StrictHostKeyChecking=yes"]
    argv = ["ssh", "-F", str(config), *options, "lima-web", "printf %s-%s he re"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "he-re" in done.stdout, done.stderr


def test_a_guest_that_is_paused_on_a_full_disk_is_told_and_not_waited_for(
    web: Sshd, box: Box, environment: dict[str, str]
) -> None:
    folder = box.instance("web", web)
    (folder / "qemu.pid").write_text(f"{web.pid}\n")
    (folder / "disk-full").touch()
    done = ansible(environment, "printf %s-%s he re")
    assert "the machine is paused, since the disk" in done.stdout + done.stderr
    assert "he-re" not in done.stdout
