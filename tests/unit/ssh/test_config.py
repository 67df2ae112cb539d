# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from callao.reach import Reach
from callao.ssh import Endpoint, host_key, known_hosts, render


def endpoint(folder: Path) -> Endpoint:
    return Endpoint(
        alias="lima-web",
        reach=Reach(40022),
        user="lima",
        identity=folder / "_config" / "user",
        known_hosts=folder / "known_hosts",
        control_path=folder / "ssh.sock",
    )


def parsed(folder: Path, text: str, login: str = "lima-web") -> dict[str, str]:
    """The configuration as OpenSSH itself reads it."""
    (folder / "ssh.config").write_text(text)
    argv = ["ssh", "-G", "-F", str(folder / "ssh.config"), login]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def test_openssh_reads_what_we_wrote(tmp_path: Path) -> None:
    said = parsed(tmp_path, render(endpoint(tmp_path)))
    assert said["hostname"] == "127.0.0.1"
    assert said["port"] == "40022"
    assert said["user"] == "lima"
    assert said["stricthostkeychecking"] in ("true", "yes")
    assert said["hostkeyalias"] == "lima-web"
    assert said["userknownhostsfile"] == str(tmp_path / "known_hosts")
    assert said["globalknownhostsfile"] == "/dev/null"
    assert said["forwardagent"] == "no"


@pytest.mark.parametrize("folder", ["with space", "100%h", "ümläut"])
def test_odd_paths_survive(tmp_path: Path, folder: str) -> None:
    odd = tmp_path / folder
    odd.mkdir()
    said = parsed(odd, render(endpoint(odd)))
    assert said["controlpath"].replace("%%", "%") == str(odd / "ssh.sock")
    assert said["identityfile"].replace("%%", "%") == str(odd / "_config" / "user")


@pytest.mark.parametrize("folder", [".", "100%h"])
def test_each_user_has_a_connection_of_its_own(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    text = render(endpoint(Path("/l") / folder))
    paths = {
        login: parsed(place, text, f"{login}lima-web")["controlpath"] for login in ("", "lima@", "root@")
    }
    assert {login: path.replace("%%", "%") for login, path in paths.items()} == {
        "": str(Path("/l") / folder / "ssh.sock"),
        "lima@": str(Path("/l") / folder / "ssh.sock"),
        "root@": str(Path("/l") / folder / "ssh-root.sock"),
    }


def test_other_users_share_no_connection_where_its_socket_could_not_be_made(tmp_path: Path) -> None:
    """ssh ends with an error at a path that is too long for a socket."""
    text = render(endpoint(Path("/" + "l" * 75)))
    assert parsed(tmp_path, text, "root@lima-web").get("controlpath", "none") == "none"
    assert parsed(tmp_path, text)["controlpath"].endswith("/ssh.sock")


def test_forwarding_is_as_asked(tmp_path: Path) -> None:
    said = parsed(tmp_path, render(replace(endpoint(tmp_path), forward_agent=True, forward_x11=True)))
    assert said["forwardagent"] == "yes"
    assert said["forwardx11"] == "yes"
    assert said["forwardx11trusted"] == "no"


def test_known_hosts_is_found_by_ssh_keygen(tmp_path: Path) -> None:
    key = host_key(tmp_path / "key", "a comment")
    (tmp_path / "known_hosts").write_text(known_hosts("lima-web", key.public))
    argv = ["ssh-keygen", "-F", "lima-web", "-f", str(tmp_path / "known_hosts")]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert key.public.split()[1] in found
    assert "a comment" not in found
