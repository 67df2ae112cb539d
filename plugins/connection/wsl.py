# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Into a distribution of WSL2, by wsl.exe, through whatever connection reaches Windows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wsl
short_description: Connect to a distribution of WSL2 through any connection to Windows
version_added: 0.1.0
author:
  - The Callao authors (@callao)
description:
  - Runs C(wsl.exe --exec) on a Windows host, by that host's own connection and variables. No sshd in the
    guest has a part in it.
  - P(callao.lima.instance#connection) needs ssh to Windows. This plugin goes through
    C(ansible.builtin.winrm) and C(ansible.builtin.psrp) as well, or runs C(wsl.exe) of the Windows around
    a controller inside WSL.
  - Of Windows' programs, only C(wsl.exe) is run.
extends_documentation_fragment:
  - connection_pipelining
requirements:
  - The Python package C(callao) on the controller.
  - What the connection to Windows needs, such as C(pywinrm) or C(pypsrp), which C(callao[windows]) brings.
options:
  instance:
    description: The instance's name; its distribution is C(lima-NAME).
    type: string
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: lima_instance
  distribution:
    description: The distribution's name, for one that is no instance's.
    type: string
    vars:
      - name: ansible_wsl_distribution
  lima_host:
    description:
      - The inventory host that has Windows, with C(ansible_connection) V(ssh), V(winrm) or V(psrp).
      - Without it, C(wsl.exe) is run on the controller, which has to be inside WSL.
    type: string
    vars:
      - name: lima_host
  remote_user:
    description: The user in the distribution.
    type: string
    default: root
    ini:
      - section: defaults
        key: remote_user
    env:
      - name: ANSIBLE_REMOTE_USER
    vars:
      - name: ansible_user
      - name: ansible_wsl_user
    cli:
      - name: user
    keyword:
      - name: remote_user
  pipelining:
    description:
      - Whether modules are sent over standard input instead of as files, which is several times quicker.
    type: boolean
    default: true
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
    env:
      - name: ANSIBLE_PIPELINING
    vars:
      - name: ansible_pipelining
"""

EXAMPLES = r"""
# hosts.yml: a box on a Windows host that is reached by WinRM
all:
  children:
    windows:
      hosts:
        desk:
          ansible_connection: winrm
          ansible_host: 192.0.2.9
          ansible_user: ana
          ansible_password: "{{ vault_desk_password }}"
    devboxes:
      hosts:
        web:
          ansible_connection: callao.lima.wsl
          lima_host: desk
"""

import base64
import copy
import shlex
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display

display = Display()

_PIECE = 4 * 2**20
"""Bytes of a file in one command: they are in memory several times."""

_LONGEST_BY_WINRM = 3000
"""Characters for PowerShell: Ansible encodes them to nearly three times as many, for cmd, which takes 8191.
"""

_WAYS = ("ssh", "winrm", "psrp")

_LOCAL = ("", "localhost", "127.0.0.1", "::1")


class Connection(ConnectionBase):
    """Commands of ``wsl.exe``, on the connection to Windows."""

    transport = "callao.lima.wsl"
    has_pipelining = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._windows_variables: dict[str, t.Any] = {}
        self._windows: t.Any = None

    def _resolve_option_variables(self, variables: t.Any, templar: t.Any) -> t.Any:
        # An option can read variables of its own host only; those of lima_host have to be taken here.
        options = super()._resolve_option_variables(variables, templar)
        host = options.get("lima_host")
        if host and host in variables.get("hostvars", {}):
            hostvars = variables["hostvars"][host]
            self._windows_variables = {
                name: hostvars[name]
                for name in hostvars
                if name.startswith("ansible_") or name in ("inventory_hostname", "inventory_hostname_short")
            }
        return options

    def _connect(self) -> Connection:
        if self._windows is None:
            self._windows = self._to_windows()
            self._connected = True
        return self

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        return self._run(cmd, in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self._connect()
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._distribution())
        target, operator = shlex.quote(out_path), ">"
        try:
            with Path(in_path).open("rb") as file:
                while (piece := file.read(_PIECE)) or operator == ">":
                    self._checked(f"cat {operator} {target}", piece or None, f"cannot write {out_path}")
                    operator = ">>"
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(f"file or module does not exist: {in_path}") from error

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        self._connect()
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._distribution())
        source, number = shlex.quote(in_path), 0
        with Path(out_path).open("wb") as file:
            while True:
                # Base64, since not every connection passes all bytes on.
                script = (
                    f"test -f {source} && test -r {source} && dd if={source} bs={_PIECE} skip={number} "
                    "count=1 2>/dev/null | base64"
                )
                piece = base64.b64decode(self._checked(script, None, f"cannot read {in_path}"))
                file.write(piece)
                number += 1
                if len(piece) < _PIECE:
                    return

    def close(self) -> None:
        if self._windows is not None:
            self._windows.close()
            self._windows = None
        self._connected = False

    def reset(self) -> None:
        """Log in anew for the next command."""
        self.close()

    def _checked(self, script: str, given: bytes | None, failure: str) -> bytes:
        status, out, errors = self._run(script, given)
        if status != 0:
            words = errors.decode(errors="replace").strip() or f"status {status}"
            raise AnsibleConnectionFailure(f"{self._distribution()}: {failure}: {words}")
        return out

    def _run(self, script: str, given: bytes | None) -> tuple[int, bytes, bytes]:
        """Run a script of sh(1) in the distribution."""
        user = str(self.get_option("remote_user") or "root")
        argv = ["wsl.exe", "--distribution", self._distribution(), "--user", user, "--cd", "~", "--exec"]
        if self._is_here():
            return self._exec(shlex.join([*argv, "/bin/sh", "-c", script]), given)
        from callao.drivers.wsl2.command_line import STDIN_IS_LINES, LineTooLong, Shell, Stdin, line
        from callao.drivers.wsl2.stdin_lines import encoded
        from callao.drivers.wsl2.stdout_lines import framed
        from callao.errors import DriverError

        shell = Shell(self._windows._shell.SHELL_FAMILY)
        in_guest = framed if self._has_lines_only() else list[str]
        longest = _LONGEST_BY_WINRM if self._windows.transport == "winrm" else None
        try:
            try:
                whole = [*argv, *in_guest(["/bin/sh", "-c", script])]
                command = line(shell, whole, stdin=Stdin.WHOLE if given else Stdin.NONE, longest=longest)
            except LineTooLong:
                if given:
                    raise
                given = f"{script}\n".encode("utf-8", "surrogateescape")
                command = line(shell, [*argv, *in_guest(["/bin/sh"])], stdin=Stdin.WHOLE, longest=longest)
        except DriverError as error:
            raise AnsibleConnectionFailure(f"{self._distribution()}: {error}") from error
        if given and shell in STDIN_IS_LINES:
            given = encoded(given)
        return self._exec(command, given)

    def _exec(self, command: str, given: bytes | None) -> tuple[int, bytes, bytes]:
        # Ansible's psrp would have PowerShell write the numbers of bytes.
        in_data = given.decode() if given and self._has_lines_only() else given or None
        try:
            status, out, errors = self._windows.exec_command(command, in_data=in_data, sudoable=False)
        except AnsibleError as error:
            if "not installed" not in str(error):
                self._refuse_missing()
                raise
            raise AnsibleConnectionFailure(
                f"lima_host: {self.get_option('lima_host')!r}: {error} (pip install 'callao[windows]')"
            ) from error
        if self._has_lines_only():
            from callao.drivers.wsl2.stdout_lines import unframed
            from callao.drivers.wsl2.text import decode

            found = unframed(out)
            if found is None:
                words = " ".join(f"{decode(out)} {decode(errors)}".split())
                raise AnsibleConnectionFailure(f"{self._distribution()}: {words or f'status {status}'}")
            return status, *found
        said = out if status != 0 and not errors else b""
        if said and (b"\0" in said or b"Wsl/" in said):  # wsl.exe itself, and not the command
            from callao.drivers.wsl2.text import decode

            raise AnsibleConnectionFailure(f"{self._distribution()}: {' '.join(decode(said).split())}")
        return status, out, errors

    def _refuse_missing(self) -> None:
        """Tell that there is no such distribution: Ansible takes the status that wsl.exe has then for one of
        ssh(1), and drops what was written.
        """
        from callao.drivers.wsl2.command_line import Shell, line
        from callao.drivers.wsl2.text import lines
        from callao.drivers.wsl2.wsl_exe import is_same

        if self._is_here():
            return
        command = line(Shell(self._windows._shell.SHELL_FAMILY), ["wsl.exe", "--list", "--quiet", "--all"])
        try:
            status, out, _errors = self._windows.exec_command(command, sudoable=False)
        except AnsibleError:
            return
        names = lines(out)
        if status == 0 and not any(is_same(name, self._distribution()) for name in names):
            there = ", ".join(sorted(names)) or "none"
            raise AnsibleConnectionFailure(
                f"{self._distribution()}: is no distribution of that user on {self.get_option('lima_host')} "
                f"(there are: {there})."
            )

    def _has_lines_only(self) -> bool:
        """Whether lines of text are passed on, and no other bytes."""
        return bool(self._windows.transport == "psrp")

    def _distribution(self) -> str:
        return str(self.get_option("distribution") or f"lima-{self.get_option('instance')}")

    def _is_here(self) -> bool:
        return (self.get_option("lima_host") or "") in _LOCAL

    def _to_windows(self) -> t.Any:
        """The connection of the host ``lima_host``, with that host's own options."""
        context = copy.copy(self._play_context)
        context.become = False
        if self._is_here():
            context.shell, context.executable = "sh", "/bin/sh"
            here = connection_loader.get("ansible.builtin.local", context)
            here.set_options(var_options={})
            return here
        host, variables = self.get_option("lima_host"), self._windows_variables
        if not variables:
            raise AnsibleConnectionFailure(f"lima_host: {host!r} is not a host of the inventory.")
        kind = str(variables.get("ansible_connection", "ssh"))
        context.shell = variables.get("ansible_shell_type")
        context.remote_addr = variables.get("ansible_host", host)
        windows = connection_loader.get(kind, context)
        if windows is None or windows.transport not in _WAYS:
            raise AnsibleConnectionFailure(
                f"lima_host: {host!r} has ansible_connection={kind} (allowed: {' and '.join(_WAYS)})."
            )
        names = constants.config.get_plugin_vars("connection", windows._load_name)
        options = {name: variables[name] for name in names if name in variables}
        prefix = f"ansible_{windows.extras_prefix}_" if getattr(windows, "allow_extras", False) else None
        options["_extras"] = {
            name: value
            for name, value in variables.items()
            if prefix and name.startswith(prefix) and name not in options
        }
        windows.set_options(var_options=options)
        windows._shell.set_options(var_options=variables)
        if not getattr(windows._shell, "_IS_WINDOWS", False):
            raise AnsibleConnectionFailure(
                f"lima_host: {host!r} has ansible_shell_type={context.shell or 'sh'}; of a Windows host it "
                "is cmd or powershell, as its OpenSSH has it."
            )
        return windows
