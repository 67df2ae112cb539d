# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that starts :mod:`callao.mcp.worker` in the guest, and the sources that it reads first."""

from __future__ import annotations

import json
from importlib import resources

_MODULES = (
    "failure", "confinement", "files", "wildcard", "find", "basic_regex", "search", "processes", "command",
    "serve",
)  # fmt: skip
"""Each after those that it imports."""

_PACKAGE = "callao.mcp.worker"

READY = b'{"ready": 1}\n'
"""The first line that the program writes; what comes before it is of the guest's login scripts."""

_LOADER = f"""\
import json, os, sys, types
def read(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data
for name, text in json.loads(read(int(read(8))).decode()):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["{_PACKAGE}.serve"].main({READY!r})
"""

_SCRIPT = """\
for python in python3 /usr/libexec/platform-python; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" -I -S -c "$1"
done
echo "no python3 in the guest, which the tools need" >&2
exit 127
"""


def command() -> list[str]:
    """The command line in the guest."""
    return ["/bin/sh", "-c", _SCRIPT, "callao-mcp", _LOADER]


def sources() -> bytes:
    """What the command reads from standard input before the first request."""
    folder = resources.files(_PACKAGE)
    texts = [[f"{_PACKAGE}.{name}", (folder / f"{name}.py").read_text("utf-8")] for name in _MODULES]
    data = json.dumps(texts).encode("ascii")
    return b"%08d" % len(data) + data
