# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Into a guest, by the ssh plugin that everybody knows, with the coordinates read from the instance."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instance
short_description: Connect to a Linux virtual machine by its instance's name
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - C(ansible.builtin.ssh), told where the instance is. Port, user, key and host key come from the instance's
    own files, each time, so that nothing needs to be written into an inventory.
  - The guest's host key is known before the first connection, and always checked.
  - Control masters, pipelining and privilege escalation work as with C(ansible.builtin.ssh), and so do its
    options. Each start of an instance has a control path of its own.
extends_documentation_fragment:
  - connection_pipelining
  - callao.lima.ssh_options
requirements:
  - The OpenSSH client.
  - The Python package C(callao) on the controller, for O(autostart), and to explain why an instance does not
    answer.
options:
  instance:
    description: The instance's name.
    type: string
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: lima_instance
  lima_home:
    description:
      - The folder that the instances live in.
      - With O(lima_host) it is a folder on that machine; by default that of the user who logs in there.
      - C(ansible_lima_home) is what inventory P(callao.lima.instances#inventory) sets.
    type: string
    vars:
      - name: ansible_lima_home
      - name: lima_home
  lima_host:
    description:
      - The inventory host that the instance lives on, when it is not this machine. It is reached as
        C(ansible.builtin.ssh) would, with that host's own variables and without a password, and the guest
        through it.
      - The private key of that machine stays there. The guest must let one of yours in; role
        P(callao.lima.devbox#role) sees to that.
    type: string
    vars:
      - name: lima_host
  autostart:
    description: Whether to start an instance that is stopped. Not with O(lima_host), and not in check mode.
    type: bool
    default: false
    vars:
      - name: lima_autostart
  host:
    description: Always the instance's alias, such as V(lima-web); C(ansible_host) does not count.
    type: string
  port:
    description: Always the instance's port; C(ansible_port) does not count.
    type: int
  remote_user:
    description: Name of the user to log in as. By default the instance's own user.
    type: string
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    vars:
      - name: ansible_user
      - name: ansible_ssh_user
    cli:
      - name: user
    keyword:
      - name: remote_user
  pipelining:
    description:
      - Whether modules are sent over standard input instead of as files, which is several times quicker.
      - Unlike with C(ansible.builtin.ssh), it is on by default, as no guest's sudo asks for a terminal.
    type: boolean
    default: true
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
      - section: ssh_connection
        key: pipelining
    env:
      - name: ANSIBLE_PIPELINING
      - name: ANSIBLE_SSH_PIPELINING
    vars:
      - name: ansible_pipelining
      - name: ansible_ssh_pipelining
  control_path:
    description: Always one of its own for each start of each instance, in O(control_path_dir).
    type: string
  timeout:
    description:
      - Seconds to wait for a login, and for an answer of C(sudo).
      - Unlike with C(ansible.builtin.ssh), it is not 10 by default, as a guest whose CPU is emulated may
        take longer.
    type: integer
    default: 60
    env:
      - name: ANSIBLE_TIMEOUT
      - name: ANSIBLE_SSH_TIMEOUT
    ini:
      - section: defaults
        key: timeout
      - section: ssh_connection
        key: timeout
    vars:
      - name: ansible_ssh_timeout
    cli:
      - name: timeout
  ssh_args:
    description:
      - Arguments to pass to all SSH CLI tools.
      - Unlike with C(ansible.builtin.ssh), nothing is compressed by default, as the guest is near.
    type: string
    default: -o ControlMaster=auto -o ControlPersist=60s
    ini:
      - section: ssh_connection
        key: ssh_args
    env:
      - name: ANSIBLE_SSH_ARGS
    vars:
      - name: ansible_ssh_args
"""

EXAMPLES = r"""
# hosts.yml: two boxes of this machine, and one of the machine big
all:
  children:
    devboxes:
      hosts:
        web:
        db:
          lima_instance: shop-db # where the instance has another name than the host
          lima_autostart: true # a stopped one is started by the first task
        far:
          lima_host: big # reached through big, with big's own variables
      vars:
        ansible_connection: callao.lima.instance
        ansible_python_interpreter: /usr/bin/python3
    hypervisors:
      hosts:
        big:
          ansible_host: 192.0.2.7

---
# site.yml: a Lima home of the project's own, and another user
- name: Configure the boxes
  hosts: devboxes
  remote_user: shop
  vars:
    lima_home: "{{ playbook_dir }}/.lima"
  tasks:
    - name: See that the guest answers
      ansible.builtin.ping:
"""

import contextlib
import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

import yaml
from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible.module_utils.common.yaml import SafeLoader
from ansible.plugins.connection.ssh import Connection as SSHConnection
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible_collections.callao.lima.plugins.plugin_utils._endpoint import (
    Endpoint,
    NotRunning,
    is_instance_name,
    read_endpoint,
)

display = Display()


def _define_options(name: str) -> None:
    """Define the options: those of ssh, which this process has read already, and our own.

    Ansible reads a collection's documentation anew in each task's process. With all of ssh's options in
    it that takes 15 ms, a tenth of a small task. Where ssh's are not known, Ansible reads the documentation.
    """
    inherited = constants.config.get_configuration_definitions("connection", "ssh")
    if inherited and not constants.config.has_configuration_definition("connection", name):
        own = yaml.load(DOCUMENTATION, Loader=SafeLoader)["options"]  # noqa: S506 - libyaml's, where there is one
        constants.config.initialize_plugin_configuration_definitions(
            "connection", name, {**inherited, **own}
        )


_define_options(__name__)


class Connection(SSHConnection):
    """ssh to the instance's endpoint, which is looked up once for each task."""

    transport = "callao.lima.instance"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._endpoint: Endpoint | None = None
        self._proxy_command = ""
        self._host_variables: dict[str, t.Any] = {}

    def _resolve_option_variables(self, variables: t.Any, templar: t.Any) -> t.Any:
        # An option can read variables of its own host only; those of lima_host have to be taken here.
        options = super()._resolve_option_variables(variables, templar)
        host = options.get("lima_host")
        if host and host in variables.get("hostvars", {}):
            connection_loader.get("ssh", class_only=True)  # so that its options are known
            hostvars = variables["hostvars"][host]
            wanted = [*constants.config.get_plugin_vars("connection", "ssh"), "ansible_connection"]
            self._host_variables = {name: hostvars[name] for name in wanted if name in hostvars}
        return options

    def set_options(self, task_keys: t.Any = None, var_options: t.Any = None, direct: t.Any = None) -> None:
        # Ansible passes its default as if the user had set it.
        if task_keys and constants.config.get_config_value_and_origin("DEFAULT_TIMEOUT")[1] == "default":
            task_keys = {key: value for key, value in task_keys.items() if key != "timeout"}
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        self._endpoint = None
        # Action plugins read the remote user before they connect. Where the endpoint is not known yet,
        # the first command reports why.
        with contextlib.suppress(AnsibleConnectionFailure, NotRunning):
            self._resolve(self._known_endpoint())

    def exec_command(self, *args: t.Any, **kwargs: t.Any) -> tuple[int, bytes, bytes]:
        with self._endpoint_known():
            return super().exec_command(*args, **kwargs)

    def put_file(self, *args: t.Any, **kwargs: t.Any) -> tuple[int, bytes, bytes]:
        with self._endpoint_known():
            return super().put_file(*args, **kwargs)

    def fetch_file(self, *args: t.Any, **kwargs: t.Any) -> tuple[int, bytes, bytes]:
        with self._endpoint_known():
            return super().fetch_file(*args, **kwargs)

    def reset(self) -> None:
        """Forget the endpoint, and end every control master that any start of this instance left."""
        for path in self._control_dir().glob(f"{self._prefix()}-*"):
            if path.suffix:
                path.unlink(missing_ok=True)
            else:
                argv = [
                    self.get_option("ssh_executable"),
                    "-F",
                    "none",
                    "-o",
                    f'ControlPath="{_escape_percent(path)}"',
                    "-O",
                    "stop",
                    "guest",
                ]
                subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self._endpoint = None
        self.close()

    def _build_command(self, binary: str, subsystem: str, *other_args: bytes | str) -> list[bytes]:
        command = super()._build_command(binary, subsystem, *other_args)
        # ssh uses the first of repeated options, so that the user's options cannot weaken these.
        place = command.index(to_bytes(binary, errors="surrogate_or_strict")) + 1
        command[place:place] = [
            to_bytes(word, errors="surrogate_or_strict") for word in self._own_arguments()
        ]
        return command

    def _own_arguments(self) -> list[str]:
        endpoint = self._endpoint
        if endpoint is None:
            raise AssertionError("a command is built before the instance was looked up")
        options = [
            f"HostName={endpoint.address}",
            f"Port={endpoint.port}",
            f"HostKeyAlias={endpoint.alias}",
            "UpdateHostKeys=no",
            "NoHostAuthenticationForLocalhost=no",
            f'ControlPath="{_escape_percent(self._control_path(endpoint))}"',
        ]
        if endpoint.known_hosts is not None:
            known = _escape_percent(endpoint.known_hosts)
            options += [f'UserKnownHostsFile="{known}"', "StrictHostKeyChecking=yes"]
        else:
            options += ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        options += ["GlobalKnownHostsFile=/dev/null"]
        identities = endpoint.identities or self._own_identities()
        options += [f'IdentityFile="{_escape_percent(path)}"' for path in identities]
        if endpoint.identities:
            options += ["IdentitiesOnly=yes"]
        proxy_command = self._proxy_command if self._remote() else endpoint.proxy_command
        if proxy_command:
            options += [f"ProxyCommand={proxy_command}"]
        return ["-F", "none", *(word for option in options for word in ("-o", option))]

    @contextlib.contextmanager
    def _endpoint_known(self) -> t.Iterator[None]:
        """Find the endpoint before the block, and explain a failure of it."""
        if not self._remote() and (self._home() / self._name() / "disk-full").exists():
            why = self._diagnosis()  # a paused guest does not answer, and ssh would wait for it forever
            if why:
                raise AnsibleConnectionFailure(why)
        if self._endpoint is None:
            try:
                self._resolve(self._find_endpoint())
            except NotRunning:
                self._resolve(self._start())
        try:
            yield
        except AnsibleConnectionFailure as error:
            self._endpoint = None
            self._cache().unlink(missing_ok=True)
            why = self._diagnosis()
            if why:
                raise AnsibleConnectionFailure(f"{why} ssh said: {to_native(error).strip()}") from error
            raise

    def _resolve(self, endpoint: Endpoint) -> None:
        if endpoint.known_hosts is None and self.get_option("host_key_checking"):
            raise AnsibleConnectionFailure(
                f"instance {self._name()!r} was not started by Callao, so that its host key is not known: "
                "restart it with callao.lima.instance, or set ansible_host_key_checking to false for it."
            )
        self.set_option("host", endpoint.alias)
        self.set_option("port", endpoint.port)
        if not self.get_option("remote_user") and endpoint.user:
            self.set_option("remote_user", endpoint.user)
        self._control_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
        self._endpoint = endpoint

    def _known_endpoint(self) -> Endpoint:
        """The endpoint, as far as it can be known without asking another machine."""
        if not self._remote():
            return read_endpoint(self._home() / self._name())
        from ansible_collections.callao.lima.plugins.plugin_utils._jump_host import JumpHost, load_endpoint

        endpoint = load_endpoint(self._cache())
        # The saved endpoint is only certainly valid while a control master runs.
        if endpoint is None or not self._control_path(endpoint).exists():
            raise NotRunning
        self._proxy_command = JumpHost.from_variables(
            self.get_option("lima_host"), self._host_variables
        ).proxy_command(endpoint)
        return endpoint

    def _find_endpoint(self) -> Endpoint:
        if not self._remote():
            return self._known_endpoint()
        from ansible_collections.callao.lima.plugins.plugin_utils._jump_host import (
            JumpHost,
            NoSuchInstance,
            save_endpoint,
        )

        host, name, cache = self.get_option("lima_host"), self._name(), self._cache()
        hop = JumpHost.from_variables(host, self._host_variables)
        self._control_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            endpoint = hop.find_endpoint(
                name, self.get_option("lima_home") or "", cache.with_suffix(".known_hosts")
            )
        except NoSuchInstance as error:
            raise AnsibleConnectionFailure(self._missing_message(f"{error} on {host}")) from error
        except NotRunning as error:
            raise AnsibleConnectionFailure(_stopped_message(name, f" on {host}")) from error
        self._proxy_command = hop.proxy_command(endpoint)
        save_endpoint(cache, endpoint)
        return endpoint

    def _start(self) -> Endpoint:
        """Start a stopped instance where ``lima_autostart`` is set; returns its endpoint."""
        why = self._diagnosis()
        if not self.get_option("autostart") or not (self._home() / self._name()).is_dir():
            raise AnsibleConnectionFailure(why or _stopped_message(self._name()))
        if self._in_check_mode():
            raise AnsibleConnectionFailure(
                f"instance {self._name()!r} is stopped, and lima_autostart starts nothing in check mode: "
                "what its tasks would do cannot be predicted."
            )
        from ansible_collections.callao.lima.plugins.plugin_utils._engine import start_instance

        display.display(f"{self._name()}: starting, as lima_autostart is set")
        start_instance(self._name(), self._home())
        try:
            return self._known_endpoint()
        except NotRunning as error:
            raise AnsibleConnectionFailure(self._diagnosis() or _stopped_message(self._name())) from error

    def _diagnosis(self) -> str:
        """Why the instance does not answer, with the remedy; empty when nothing is wrong with it."""
        if self._remote():
            return ""
        home, name = self._home(), self._name()
        if not (home / name).is_dir():
            return self._missing_message(str(home))
        from ansible_collections.callao.lima.plugins.plugin_utils._engine import diagnose

        return diagnose(name, home)

    def _name(self) -> str:
        name = str(self.get_option("instance"))
        if not is_instance_name(name):
            raise AnsibleConnectionFailure(
                f"lima_instance: {name!r} cannot be an instance's name: letters and digits are allowed, "
                "with single dots, dashes and underscores between them."
            )
        return name

    def _home(self) -> Path:
        home = None if self._remote() else self.get_option("lima_home")
        home = home or os.environ.get("LIMA_HOME") or "~/.lima"
        return Path(os.path.expanduser(home))  # noqa: PTH111 - of nobody's ~, a folder that is not there

    def _remote(self) -> bool:
        host = self.get_option("lima_host")
        if not host or host in ("localhost", "127.0.0.1", "::1"):
            return False
        return self._host_variables.get("ansible_connection") not in ("local", "ansible.builtin.local")

    def _own_identities(self) -> list[str]:
        """For a guest on another machine: this machine's own key for all instances."""
        key = self._home() / "_config" / "user"
        return [str(key)] if key.exists() else []

    def _missing_message(self, where: str) -> str:
        name = self._name()
        check_mode = " In check mode no task makes it: what its tasks would do cannot be predicted."
        return (
            f"instance {name!r} does not exist in {where}: make it with callao.lima.instance "
            f"(name: {name}, state: started), or correct lima_instance, lima_home or lima_host."
        ) + (check_mode if self._in_check_mode() else "")

    def _in_check_mode(self) -> bool:
        """Whether the play runs in check mode."""
        return bool(getattr(self._play_context, "check_mode", False))

    def _control_dir(self) -> Path:
        return Path(self.get_option("control_path_dir")).expanduser()

    def _prefix(self) -> str:
        """The prefix of all our file names for this instance: a hash of its machine, home and name."""
        place = (
            [self.get_option("lima_host"), self.get_option("lima_home") or ""]
            if self._remote()
            else [str(self._home())]
        )
        return hashlib.sha256("\0".join([*place, self._name()]).encode()).hexdigest()[:8]

    def _control_path(self, endpoint: Endpoint) -> Path:
        user = self.get_option("remote_user") or endpoint.user
        login = hashlib.sha256(f"{endpoint.start_id}\0{user}".encode()).hexdigest()[:8]
        return self._control_dir() / f"{self._prefix()}-{login}"  # short: sockets' names are limited

    def _cache(self) -> Path:
        return self._control_dir() / f"{self._prefix()}-endpoint.json"


def _escape_percent(path: Path | str) -> str:
    """A path in an option in which ssh replaces tokens, see ssh_config(5)."""
    return str(path).replace("%", "%%")


def _stopped_message(name: str, where: str = "") -> str:
    return (
        f"instance {name!r} is stopped{where}: "
        f"start it with callao.lima.instance (name: {name}, state: started)."
    )
