# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Lima's programs this one was called as: a symlink of that name leads here."""

from __future__ import annotations

import enum
import os


class Program(enum.Enum):
    """A program of Lima's, by its name."""

    LIMACTL = "limactl"
    LIMA = "lima"
    NERDCTL = "nerdctl.lima"
    DOCKER = "docker.lima"
    PODMAN = "podman.lima"
    KUBECTL = "kubectl.lima"
    APPTAINER = "apptainer.lima"
    YQ = "yq.lima"
    MCP = "limactl-mcp"


def called_as(program: str) -> Program | None:
    """The program of Lima's that ``program``, a path, names; None for ``callao`` itself.

    limactl knows itself and yq by what comes before the first dot, as in ``yq.lima.exe``.
    """
    name = os.path.basename(program)  # noqa: PTH119 - pathlib is slower, and each run comes here
    stem = name.partition(".")[0]
    if stem == "limactl":
        return Program.LIMACTL
    if stem == "yq":
        return Program.YQ
    if stem == "limactl-mcp":
        return Program.MCP
    return next((each for each in Program if each.value == name), None)
