# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects to an instance on another machine, by a ProxyCommand over ssh to that machine.

Private to the collection.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.ssh import Connection as SSHConnection
from ansible_collections.callao.lima.plugins.plugin_utils._endpoint import (
    FILES,
    Endpoint,
    NotRunning,
    parse_endpoint,
)

# Ansible ends a worker that is slow to end by its process group, of which a command of ssh's would be; the
# control master, which left it, would lose its way then, and the next run would have to log in again.
_NEW_SESSION = "import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])"
_SECTION_MARK = "==callao=="
_READ_FILES_SCRIPT = r"""
home=$1 name=$2; shift 2
case $home in '') home=${LIMA_HOME:-$HOME/.lima} ;; '~/'*) home=$HOME/${home#??} ;; esac
[ -d "$home/$name" ] || { printf '\n==callao==missing %s\n' "$home"; exit; }
kill -0 "$(cat "$home/$name/ha.pid" 2>/dev/null)" 2>/dev/null ||
  { printf '\n==callao==stopped %s\n' "$home"; exit; }
for file; do printf '\n==callao==%s\n' "$file"; cat "$home/$name/$file" 2>/dev/null || :; done
"""


class NoSuchInstance(NotRunning):
    """There is no such instance on that machine."""


@dataclass(frozen=True)
class JumpHost:
    """ssh to the machine ``name``: ``argv`` up to the host, without a command."""

    name: str
    address: str
    argv: tuple[str, ...]
    control_path: str

    @classmethod
    def from_variables(cls, name: str, variables: Mapping[str, object]) -> JumpHost:
        """The ssh command by which ``ansible.builtin.ssh`` would reach a host with these variables.

        :raises AnsibleConnectionFailure: when that host has another connection than ssh.
        """
        kind = str(variables.get("ansible_connection", "ssh")).removeprefix("ansible.builtin.")
        if kind not in ("ssh", "smart"):
            raise AnsibleConnectionFailure(
                f"lima_host: {name!r} has ansible_connection={kind}; a guest can be reached through a host "
                "that has 'ssh', or 'local' where the guest lives on this machine."
            )

        def option(key: str) -> object:
            return constants.config.get_config_value(
                key, plugin_type="connection", plugin_name="ssh", variables=dict(variables)
            )

        def words(key: str) -> list[str]:
            return _words(option, key)

        if option("password"):
            raise AnsibleConnectionFailure(
                f"lima_host: {name!r} is reached with a password; a guest behind it needs a key: "
                "set ansible_ssh_private_key_file for that host, or use an agent."
            )
        address, port, user = str(option("host")), option("port"), option("remote_user")
        argv = [str(option("ssh_executable")), *words("ssh_args"), *login_words(option)]

        # The same path as the ssh plugin uses: tasks on that host and guests behind it share one login.
        folder = Path(str(option("control_path_dir"))).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        template = option("control_path") or SSHConnection._create_control_path(address, port, user)  # type: ignore[arg-type]
        control_path = str(template) % {"directory": str(folder)}
        if not any("controlpath" in word.lower() for word in argv):
            argv += ["-o", f'ControlPath="{control_path}"']
        return cls(name=name, address=address, argv=tuple(argv), control_path=control_path)

    def proxy_command(self, endpoint: Endpoint) -> str:
        """The ProxyCommand of ssh_config(5) that connects to ``endpoint`` from that machine."""
        command = [
            sys.executable,
            "-IS",
            "-c",
            _NEW_SESSION,
            self.argv[0],
            "-o",
            "ControlMaster=no",
            *self.argv[1:],
        ]
        if endpoint.proxy_command:  # runs over there; our ssh replaces its tokens, %h as one
            there = f"{shlex.quote(self.address)} {shlex.quote(endpoint.proxy_command)}"
            return f"{shlex.join(command)} ".replace("%", "%%") + there
        address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
        command += ["-W", f"{address}:{endpoint.port}", self.address]
        return shlex.join(command).replace("%", "%%")

    def find_endpoint(self, name: str, home: str, known_hosts: Path) -> Endpoint:
        """The endpoint of the instance ``name`` on that machine; its host key is written to ``known_hosts``.

        :param home: the LIMA_HOME on that machine; empty for that user's default.
        :raises Missing: when there is no such instance.
        :raises NotRunning: when it doesn't run.
        :raises AnsibleConnectionFailure: when the machine can't be reached.
        """
        script = shlex.join(["sh", "-c", _READ_FILES_SCRIPT, "callao", home, name, *FILES])
        # A control master that this ssh starts keeps standard error open as long as it runs.
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [*self.argv, self.address, script],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
            )
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
        if done.returncode != 0:
            raise AnsibleConnectionFailure(f"lima_host: {self.name!r} cannot be reached over ssh: {words}")
        texts = _sections(done.stdout.decode(errors="replace"))
        for word, error in (("missing", NoSuchInstance), ("stopped", NotRunning)):
            for section in texts:
                if section.startswith(f"{word} "):
                    raise error(section.partition(" ")[2])
        _write(known_hosts, texts["known_hosts"])
        return replace(parse_endpoint(texts, str(known_hosts)), identities=())


def login_words(option: Callable[[str], object]) -> list[str]:
    """The words of ssh or sftp that log in as ``ansible.builtin.ssh`` with these options does, by a key."""
    words = ["-o", "BatchMode=yes"]
    if option("host_key_checking") is False:
        words += ["-o", "StrictHostKeyChecking=no"]
    if option("port") is not None:
        words += ["-o", f"Port={option('port')}"]
    if option("private_key_file"):
        key = os.path.expanduser(str(option("private_key_file")))  # noqa: PTH111 - fails for nobody's ~
        words += ["-o", f'IdentityFile="{key}"']
    if option("remote_user"):
        words += ["-o", f'User="{option("remote_user")}"']
    words += ["-o", f"ConnectTimeout={option('timeout')}"]
    return [*words, *_words(option, "ssh_common_args"), *_words(option, "ssh_extra_args")]


def _words(option: Callable[[str], object], key: str) -> list[str]:
    return shlex.split(str(option(key) or ""))


def save_endpoint(path: Path, endpoint: Endpoint) -> None:
    """Save an endpoint for later tasks."""
    _write(path, json.dumps(endpoint.__dict__))


def load_endpoint(path: Path) -> Endpoint | None:
    """The endpoint saved in ``path``, if any."""
    try:
        fields = json.loads(path.read_bytes())
        return Endpoint(**{**fields, "identities": tuple(fields["identities"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _sections(text: str) -> dict[str, str]:
    """The text after each mark; output of the login shell before the first mark is dropped."""
    sections = {}
    for part in ("\n" + text).split(f"\n{_SECTION_MARK}")[1:]:
        title, _newline, body = part.partition("\n")
        sections[title] = body
    return sections


def _write(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
