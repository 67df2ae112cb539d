# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a module for a Windows host run on the controller, and its distributions on that host.

Private to the collection. Python cannot run on the host; of its programs, the engine needs wsl.exe alone.
"""

from __future__ import annotations

import copy
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.loader import connection_loader
from ansible_collections.callao.lima.plugins.plugin_utils._jump_host import login_words

if TYPE_CHECKING:
    from callao.drivers.wsl2.carrier import Remote
    from callao.drivers.wsl2.winrm import Client

FOLDER = "_windows"
"""In LIMA_HOME: for each Windows host, the LIMA_HOME of its instances."""


def is_windows(connection: Any) -> bool:
    return bool(getattr(connection._shell, "_IS_WINDOWS", False))


def home_of(host: str, given: str | None) -> Path:
    """The LIMA_HOME on the controller of a Windows host's instances."""
    if given:
        return Path(os.path.expanduser(given))  # noqa: PTH111 - of nobody's ~, a folder that is not there
    home = os.environ.get("LIMA_HOME") or "~/.lima"
    return Path(os.path.expanduser(home), FOLDER, host)  # noqa: PTH111


def prepare(host: str, connection: Any, disks: object, given_home: str | None) -> None:
    """Have the engine in this process, and those that it starts, keep its instances on that host.

    :param disks: the variable ``callao_wsl_home``.
    :raises AnsibleActionFail: when that cannot be.
    """
    try:
        from callao.drivers.wsl2.carrier import save
        from callao.errors import CallaoError
    except ImportError as error:
        raise AnsibleActionFail(
            f"{host} has Windows, for which callao.lima's modules run on the controller, and there is no "
            f"Python package callao ({error}): install it with pip under that Python, beside ansible-core."
        ) from error
    carrier = _carrier(host, connection, _checked_folder(host, disks))
    home = home_of(host, given_home)
    try:
        save(home, carrier)
    except (CallaoError, OSError) as error:
        raise AnsibleActionFail(f"{host}: {error}") from error
    os.environ["LIMA_HOME"] = str(home)  # this process is for one task


def local_connection(action: Any) -> Any:
    """A connection to the controller in place of the action's, whose play context loses Windows' shell."""
    context = copy.copy(action._play_context)
    context.shell, context.executable, context.become = "sh", "/bin/sh", False
    action._play_context = context
    connection = connection_loader.get("local", context)
    connection.set_options(var_options={})
    connection._shell.set_options(var_options={})
    return connection


def _checked_folder(host: str, folder: object) -> str:
    from callao.drivers.wsl2.places import windows_path

    found = windows_path(folder) if isinstance(folder, str) else None
    if found is None:
        value = repr(folder) if folder else "not set"
        raise AnsibleActionFail(
            f"{host}: callao_wsl_home: {value}: the folder of Windows for the disks of distributions has to "
            r"be set (allowed: a path such as C:\Users\ana\callao, which that user may write to)."
        )
    return found


def _carrier(host: str, connection: Any, disks: str) -> Remote:
    from callao.drivers.wsl2.carrier import Remote
    from callao.drivers.wsl2.command_line import Shell
    from callao.drivers.wsl2.winrm import LOGIN

    if connection.transport in _LOGINS:
        os.environ[LOGIN] = _LOGINS[connection.transport](host, connection)
        program = (sys.executable, "-P", "-m", "callao.drivers.wsl2.winrm")
        return Remote(host, program, Shell.CMD, disks, needs_login=True)  # WinRM itself starts cmd
    shell = Shell(connection._shell.SHELL_FAMILY)
    if connection.transport != "ssh":
        raise AnsibleActionFail(
            f"{host}: ansible_connection: {connection.transport}: distributions on another machine are "
            "made and run by ssh, winrm or psrp (allowed: ssh, with ansible_shell_type cmd or powershell, "
            "winrm and psrp)."
        )
    option: Callable[[str], object] = connection.get_option
    if option("password"):
        raise AnsibleActionFail(
            f"{host}: is reached with a password; the process that keeps a distribution running needs a "
            "key: set ansible_ssh_private_key_file for that host, or use an agent."
        )
    address = str(option("host"))
    # A connection of its own for each: one that is shared would end with whatever has opened it.
    own = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ServerAliveInterval=15"]
    words = [*own, *shlex.split(str(option("ssh_args") or "")), *login_words(option)]
    return Remote(
        host,
        (str(option("ssh_executable")), *words, address),
        shell,
        disks,
        (str(option("sftp_executable")), *words, "-b", "-", address),
    )


def _winrm_login(host: str, connection: Any) -> str:
    """What pywinrm needs to log in as Ansible's plugin does.

    :raises AnsibleActionFail: without pywinrm, or with a ticket that Ansible alone has.
    """
    from callao.drivers.wsl2.winrm import Client, login

    _need(host, "winrm", Client.PYWINRM)
    connection._build_winrm_kwargs()
    transport = connection._winrm_transport[0]
    if transport == "kerberos":
        raise _ticket_ends(host, "ansible_winrm_transport: kerberos", "ntlm, basic, certificate and credssp")
    address = connection._winrm_host
    netloc = f"[{address}]" if ":" in address else address
    endpoint = f"{connection._winrm_scheme}://{netloc}:{connection._winrm_port}{connection._winrm_path}"
    arguments = {"endpoint": str(endpoint), "transport": str(transport), **connection._winrm_kwargs}
    return login(Client.PYWINRM, **arguments)


def _psrp_login(host: str, connection: Any) -> str:
    """The same for pypsrp.

    :raises AnsibleActionFail: without pypsrp, with a ticket, or where a host allows PowerShell alone.
    """
    from callao.drivers.wsl2.winrm import Client, login

    _need(host, "psrp", Client.PYPSRP)
    connection._build_kwargs()
    arguments = connection._psrp_conn_kwargs
    auth, password = arguments["auth"], arguments["password"]
    # Negotiate takes a ticket where there is no password, and NTLM where there is one.
    if auth == "kerberos" or not (password or auth == "certificate"):
        allowed = "certificate, or with a password negotiate, ntlm, basic and credssp"
        raise _ticket_ends(host, f"ansible_psrp_auth: {auth}", allowed)
    if (name := connection.get_option("configuration_name")) != _ANY_PROGRAM:
        raise AnsibleActionFail(
            f"{host}: ansible_psrp_configuration_name: {name!r}: what keeps a box running is not a command "
            f"of PowerShell, but a remote shell of WinRM (allowed: {_ANY_PROGRAM}; or "
            "ansible_connection: ssh)."
        )
    return login(Client.PYPSRP, **arguments)


_ANY_PROGRAM = "Microsoft.PowerShell"
_LOGINS: Mapping[str, Callable[[str, Any], str]] = {"winrm": _winrm_login, "psrp": _psrp_login}


def _need(host: str, connection: str, client: Client) -> None:
    if find_spec(client.value) is None:
        raise AnsibleActionFail(
            f"{host}: ansible_connection: {connection}: the Python package {client.name.lower()} is not "
            "installed: pip install 'callao[windows]'"
        )


def _ticket_ends(host: str, given: str, allowed: str) -> AnsibleActionFail:
    return AnsibleActionFail(
        f"{host}: {given}: a ticket of Kerberos ends with the task, and a box runs on "
        f"(allowed: {allowed}; or ansible_connection: ssh)."
    )


def target_host(variables: Mapping[str, Any], delegate_to: str | None) -> str:
    return str(delegate_to or variables["inventory_hostname"])
