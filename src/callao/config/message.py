# SPDX-License-Identifier: GPL-3.0-or-later
"""Expands a template's ``message``, which is shown after a start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config.document import to_document
from callao.config.names import hostname_of
from callao.config.schema import Config
from callao.errors import ExpressionError, Problem
from callao.host import Host, identity_file
from callao.reach import LOOPBACK, Reach


@dataclass(frozen=True)
class Condition:
    """Variables of a message that describe the running machine."""

    status: str = "Running"
    reach: Reach | None = None
    agent_pid: int = 0
    driver_pid: int = 0
    protected: bool = False
    lima_version: str = ""


def message(
    config: Config, host: Host, *, name: str, instance_dir: Path, condition: Condition | None = None
) -> str:
    """The message with its template expanded; unchanged when the template is invalid.

    The result is not expanded again, so braces in a value stay.
    """
    try:
        return _expanded(config, host, name, instance_dir, condition or Condition())
    except ExpressionError:
        return config.message


def message_problem(config: Config, host: Host, *, name: str, instance_dir: Path) -> Problem | None:
    """The problem of an invalid template in the message; None when it is valid."""
    try:
        _expanded(config, host, name, instance_dir, Condition())
    except ExpressionError as error:
        return Problem("message", config.message[:60], f"is no Go template, and stays as it is: {error}")
    return None


def _expanded(config: Config, host: Host, name: str, instance_dir: Path, condition: Condition) -> str:
    if "{{" not in config.message:
        return config.message
    from callao.config.go_structs import go_struct, with_single_ports
    from callao.gotemplate import Struct, execute

    document = with_single_ports(to_document(config))
    instance = go_struct(
        "Instance",
        {
            "name": name,
            "hostname": hostname_of(name, config.hostname),
            "status": condition.status,
            "dir": str(instance_dir),
            "vmType": config.vm_type.value,
            "arch": config.arch.value,
            "cpus": config.cpus,
            "memory": config.memory,
            "disk": config.disk,
            "additionalDisks": document["additionalDisks"],
            "networks": document["networks"],
            "sshLocalPort": condition.reach.port if condition.reach else config.ssh.local_port,
            "sshConfigFile": str(instance_dir / "ssh.config"),
            "hostAgentPID": condition.agent_pid,
            "driverPID": condition.driver_pid,
            "config": document,
            "sshAddress": condition.reach.address if condition.reach else LOOPBACK,
            "protected": condition.protected,
            "limaVersion": condition.lima_version,
            "param": config.param,
        },
    )
    host_variables = {
        "Instance": instance,
        "HostOS": host.os,
        "HostArch": host.arch,
        "LimaHome": str(instance_dir.parent),
        "IdentityFile": str(identity_file(instance_dir.parent)),
    }
    data = Struct({**instance.fields, **host_variables}, "store.FormatData")
    return execute(config.message, data, name="message")
