# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``sudoers`` on a host with a sudoers.d of its own, with real visudo and install(1)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.sudo_namespace import HOME, SudoNamespace, sudo_namespace

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a mount namespace needs root")

COLLECTIONS = Path(__file__).parents[3] / ".dev"
FILE = "/etc/sudoers.d/lima"
CHECK = {"_ansible_check_mode": True}
RUN = """
import sys
sys.path.append({collections!r})
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = {arguments!r}, "legacy"
from ansible_collections.callao.lima.plugins.modules import sudoers
sudoers.main()
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SudoNamespace]:
    with sudo_namespace(tmp_path_factory.mktemp("etc")) as found:
        yield found


def run(host: SudoNamespace, **task: Any) -> dict[str, Any]:
    """The module's result, as root by ``become``."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"lima_home": str(HOME), **task}}).encode()
    done = host.python(RUN.format(collections=str(COLLECTIONS), arguments=arguments), user=False)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def text(host: SudoNamespace) -> str | None:
    found = host.run("cat", FILE, user=False)
    return found.stdout if found.returncode == 0 else None


def test_the_file_is_foretold_installed_once_kept_up_to_date_and_removed(host: SudoNamespace) -> None:
    wanted = host.callao("sudoers").stdout
    foretold = run(host, **CHECK)
    assert (foretold["changed"], foretold["path"], text(host)) == (True, FILE, None)
    assert (foretold["diff"]["before"], foretold["diff"]["after"]) == ("", wanted)
    first = run(host)
    assert (first["changed"], first["diff"], text(host)) == (True, foretold["diff"], wanted)
    assert not run(host)["changed"]
    assert not run(host, **CHECK)["changed"]
    yaml = str(HOME / "_config/networks.yaml")
    host.run("sed", "-i", "s/192.168.105/192.168.115/g", yaml, user=False)
    later = run(host)
    host.run("sed", "-i", "s/192.168.115/192.168.105/g", yaml, user=False)
    assert (later["changed"], later["diff"]["before"]) == (True, wanted)
    assert text(host) == later["diff"]["after"] == wanted.replace("192.168.105", "192.168.115")
    assert run(host, state="absent", **CHECK)["changed"]
    assert text(host) is not None
    assert run(host, state="absent")["changed"]
    assert text(host) is None
    assert not run(host, state="absent")["changed"]


@pytest.mark.parametrize(
    ("spoil", "mend", "task", "words"),
    [
        ("true", "true", {"path": "/etc/sudoers.d/li.ma"}, "is a name that sudo leaves out"),
        ("chmod o+w /srv/bin", "chmod o-w /srv/bin", {}, "/srv/bin is writable for everybody"),
        ("echo '# mine' > /etc/sudoers.d/mine", "true", {"path": "/etc/sudoers.d/mine"}, "is left alone"),
        ("true", "true", {"path": "/etc/sudoers.d/mine", "state": "absent"}, "is left alone"),
        ("sed -i s/^group:.*/group:nobodys/ {yaml}", "true", {}, "this host has no group 'nobodys'"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(
    host: SudoNamespace, spoil: str, mend: str, task: dict[str, str], words: str
) -> None:
    yaml = str(HOME / "_config/networks.yaml")
    before = host.run("cat", yaml, user=False).stdout
    host.run("sh", "-c", spoil.format(yaml=yaml).replace("group:nobodys", "'group: nobodys'"), user=False)
    result = run(host, **task)
    host.run("sh", "-c", f"{mend}; cat > {yaml} <<'END'\n{before}END", user=False)
    assert result["failed"]
    assert words in result["msg"], result
    assert text(host) is None
