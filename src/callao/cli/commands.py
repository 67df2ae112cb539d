# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands there are. A table, so that ``--help`` need not import each of them."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
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
    "create": Entry("create", "Create an instance without starting it.", _BASIC),
    "start": Entry("start", "Start an instance; create it first where there is none.", _BASIC),
    "stop": Entry("stop", "Stop instances.", _BASIC, quick=True),
    "restart": Entry("restart", "Stop an instance and start it again.", _BASIC),
    "shell": Entry("shell", "Run a command, or a shell, in an instance.", _BASIC, quick=True),
    "copy": Entry("copy", "Copy files between the host and instances.", _BASIC, ("cp",), quick=True),
    "list": Entry("list", "List instances.", _BASIC, ("ls",), quick=True),
    "delete": Entry("delete", "Delete instances.", _BASIC, ("remove", "rm"), quick=True),
    "edit": Entry("edit", "Change an instance, in an editor or by flags.", _BASIC),
    "clone": Entry("clone", "Make an instance like one that is stopped.", _MANAGE),
    "rename": Entry("rename", "Give a stopped instance another name.", _MANAGE, ("mv",)),
    "protect": Entry("protect", "Keep instances from being deleted.", _MANAGE),
    "unprotect": Entry("unprotect", "Let instances be deleted again.", _MANAGE),
    "autostart": Entry("autostart", "Have instances started when you log in.", _MANAGE),
    "start-at-login": Entry("start_at_login", "The older name of autostart.", _MANAGE),
    "factory-reset": Entry("factory_reset", "Give an instance the disk it was made with.", _MANAGE),
    "show-ssh": Entry("show_ssh", "Show how ssh reaches an instance.", _MANAGE),
    "mount": Entry("mount", "Share directories with a running instance.", _MANAGE),
    "snapshot": Entry("snapshot", "Take, restore, list and delete snapshots.", _MANAGE),
    "tunnel": Entry("tunnel", "Open a SOCKS proxy into an instance's network.", _MANAGE),
    "prune": Entry("prune", "Remove what nothing uses from the cache.", _MANAGE),
    "info": Entry("info", "Show facts about Callao and this host.", _MANAGE),
    "completion": Entry("completion", "Print a shell's completion script.", _MANAGE),
    "validate": Entry("validate", "Check lima.yaml files and templates.", _TEAM),
    "template": Entry("template", "List, show and copy templates.", _TEAM, ("tmpl",)),
    "schema": Entry("schema", "Print the JSON Schema of lima.yaml.", _TEAM),
    "lock": Entry(
        "lock",
        "Write down what templates stand for today: their texts, images, digests and packages.",
        _TEAM,
    ),
    "fetch": Entry(
        "fetch", "Fetch all that a lock file names, so that CALLAO_OFFLINE=1 finds it in the cache.", _TEAM
    ),
}

ALIASES = {alias: name for name, entry in COMMANDS.items() for alias in entry.aliases}
