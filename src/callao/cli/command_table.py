# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of commands, so that ``--help`` need not import each of them."""

from __future__ import annotations

from typing import NamedTuple


class CommandInfo(NamedTuple):
    """One command: its module under :mod:`callao.cli`, and the line that ``--help`` shows.

    A ``quick`` one's module has a ``SYNTAX`` and a ``run`` in place of click's ``command``.
    """

    module: str
    help: str
    section: str
    aliases: tuple[str, ...] = ()
    quick: bool = False


_BASIC, _MANAGE, _TEAM = "Basic commands", "Management commands", "Templates and teams"

COMMANDS = {
    "create": CommandInfo("create", "Create an instance without starting it.", _BASIC),
    "start": CommandInfo("start", "Start an instance; create it first where there is none.", _BASIC),
    "stop": CommandInfo("stop", "Stop instances.", _BASIC, quick=True),
    "restart": CommandInfo("restart", "Stop an instance and start it again.", _BASIC),
    "shell": CommandInfo("shell", "Run a command, or a shell, in an instance.", _BASIC, quick=True),
    "copy": CommandInfo("copy", "Copy files between the host and instances.", _BASIC, ("cp",), quick=True),
    "list": CommandInfo("list", "List instances.", _BASIC, ("ls",), quick=True),
    "delete": CommandInfo("delete", "Delete instances.", _BASIC, ("remove", "rm"), quick=True),
    "edit": CommandInfo("edit", "Change an instance, in an editor or by flags.", _BASIC),
    "clone": CommandInfo("clone", "Make an instance like one that is stopped.", _MANAGE),
    "rename": CommandInfo("rename", "Give a stopped instance another name.", _MANAGE, ("mv",)),
    "protect": CommandInfo("protect", "Keep instances from being deleted.", _MANAGE),
    "unprotect": CommandInfo("unprotect", "Let instances be deleted again.", _MANAGE),
    "autostart": CommandInfo("autostart", "Have instances started when you log in.", _MANAGE),
    "start-at-login": CommandInfo("start_at_login", "The older name of autostart.", _MANAGE),
    "factory-reset": CommandInfo("factory_reset", "Give an instance the disk it was made with.", _MANAGE),
    "show-ssh": CommandInfo("show_ssh", "Show how ssh reaches an instance.", _MANAGE),
    "screenshot": CommandInfo("screenshot", "Take a picture of an instance's display.", _MANAGE),
    "top": CommandInfo("top", "Show what instances do and use, until q is pressed.", _MANAGE),
    "watch": CommandInfo("watch", "Show the events of instances as they happen.", _MANAGE),
    "report": CommandInfo(
        "report", "Show how long the stages of starts took, also as an HTML page.", _MANAGE
    ),
    "mount": CommandInfo("mount", "Share directories with a running instance.", _MANAGE),
    "egress": CommandInfo("egress", "Show what an instance may reach, and what was refused.", _MANAGE),
    "secret": CommandInfo("secret", "Manage the secrets of instances.", _MANAGE),
    "disk": CommandInfo("disk", "Manage disks that outlive instances.", _MANAGE),
    "network": CommandInfo("network", "Manage the networks that instances may be on.", _MANAGE),
    "sudoers": CommandInfo("sudoers", "Print or install the sudoers file for host networks.", _MANAGE),
    "snapshot": CommandInfo("snapshot", "Take, restore, list and delete snapshots.", _MANAGE),
    "guest-install": CommandInfo(
        "guest_install", "Install Callao's program in a running guest anew.", _MANAGE
    ),
    "tunnel": CommandInfo("tunnel", "Open a SOCKS proxy into an instance's network.", _MANAGE),
    "mcp": CommandInfo("mcp", "Let coding agents use an instance's commands and files.", _MANAGE),
    "prune": CommandInfo("prune", "Remove what nothing uses from the cache.", _MANAGE),
    "info": CommandInfo("info", "Show facts about Callao and this host.", _MANAGE),
    "install-links": CommandInfo(
        "install_links", "Link limactl, lima and their kind to this program.", _MANAGE
    ),
    "completion": CommandInfo("completion", "Print a shell's completion script.", _MANAGE),
    "validate": CommandInfo("validate", "Check lima.yaml files and templates.", _TEAM),
    "template": CommandInfo("template", "List, show and copy templates.", _TEAM, ("tmpl",)),
    "schema": CommandInfo("schema", "Print the JSON Schema of lima.yaml.", _TEAM),
    "lock": CommandInfo(
        "lock",
        "Write down what templates stand for today: their texts, images, digests and packages.",
        _TEAM,
    ),
    "fetch": CommandInfo(
        "fetch", "Fetch all that a lock file names, so that CALLAO_OFFLINE=1 finds it in the cache.", _TEAM
    ),
}

ALIASES = {alias: name for name, entry in COMMANDS.items() for alias in entry.aliases}
