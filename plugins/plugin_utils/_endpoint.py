# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the address of an instance's sshd from the instance's files. Private to the collection.

Each task is a new process that needs this, so the engine, which imports slowly, is not imported here.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_OPTION = re.compile(r'\s*(\w+)[\s=]+(?:"([^"]*)"|(.*?))\s*$')

FILES = ("ssh.config", "known_hosts", "ha.pid")
"""The files to read. Lima has the same ones, except for ``known_hosts``."""


class NotRunning(Exception):
    """The instance does not run, by its files."""


@dataclass(frozen=True)
class Endpoint:
    """How to reach an instance since its present start.

    ``proxy_command`` is run in place of a connection to ``address`` and ``port``, as ssh_config(5) has it;
    empty for none. ``start_id`` is another one for each start, so that ssh does not reuse the connection of
    an earlier one;
    ``identities`` is empty for an instance on another machine, whose key stays there;
    ``known_hosts`` is None for one that limactl started, because its host key is unknown.
    """

    alias: str
    port: int
    address: str
    proxy_command: str
    user: str
    identities: tuple[str, ...]
    known_hosts: str | None
    start_id: str


def is_instance_name(name: str) -> bool:
    """Whether it is a valid name of an instance, which is safe as part of a path."""
    return _NAME.fullmatch(name) is not None


def read_endpoint(folder: Path) -> Endpoint:
    """The endpoint of the running instance in ``folder``.

    :raises NotRunning: when it does not run.
    """
    texts: dict[str, str] = {}
    for name in FILES:
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8")
        except OSError:
            texts[name] = ""
    if not _alive(texts["ha.pid"]):
        raise NotRunning
    return parse_endpoint(texts, str(folder / "known_hosts"))


def parse_endpoint(texts: dict[str, str], known_hosts: str) -> Endpoint:
    """The endpoint that the contents of :data:`FILES` describe.

    :param known_hosts: path of the file with that text.
    :raises NotRunning: when they contain no port, as for an instance that never ran.
    """
    options: dict[str, list[str]] = {}
    for line in texts["ssh.config"].splitlines():
        match = None if line.lstrip().startswith("#") else _OPTION.match(line)
        if match:
            value = match[2] if match[2] is not None else match[3]
            key = match[1].lower()
            literal = value if key == "proxycommand" else value.replace("%%", "%")
            options.setdefault(key, []).append(literal)
    port = options.get("port", ["0"])[0]
    if not port.isdigit() or port == "0":
        raise NotRunning
    digest = hashlib.sha256("\0".join(texts[name] for name in FILES).encode())
    alias = options.get("hostkeyalias") or options.get("host") or ["lima"]
    return Endpoint(
        alias=alias[0],
        port=int(port),
        address=options.get("hostname", ["127.0.0.1"])[0],
        proxy_command=options.get("proxycommand", [""])[0],
        user=options.get("user", [""])[0],
        identities=tuple(options.get("identityfile", [])),
        known_hosts=known_hosts if texts["known_hosts"].strip() else None,
        start_id=digest.hexdigest()[:10],
    )


def _alive(pid: str) -> bool:
    """Whether a process has the pid. This suffices, because no other process has the host key."""
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    return int(pid) > 0
