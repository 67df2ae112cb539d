# SPDX-License-Identifier: GPL-3.0-or-later
"""virtiofsd for a directory of the host. It always writes, as both programs do."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.apple.spec import Refused

PROGRAMS = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")


async def serve(directory: str, bind: Callable[[], None]) -> socket.socket:
    """A connection to a new virtiofsd, which ends when the connection does.

    :raises Refused: when there is no such directory.
    """
    if not Path(directory).is_dir():
        raise Refused(f"sharedDir: no directory {directory}")
    program = next((each for each in PROGRAMS if os.access(each, os.X_OK)), shutil.which("virtiofsd"))
    if program is None:
        raise Refused("there is no virtiofsd")
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    server = socket.socket(socket.AF_UNIX)
    server.bind("")  # of the abstract namespace: no file
    server.listen(1)
    options = ["-f", "-o", f"source={directory}"]
    if "--shared-dir" in said.stdout + said.stderr:
        options = [f"--shared-dir={directory}"]
    null = asyncio.subprocess.DEVNULL
    await asyncio.create_subprocess_exec(
        program, f"--fd={server.fileno()}", *options,
        stdin=null, stdout=null, stderr=null,
        pass_fds=(server.fileno(),), preexec_fn=bind,
    )  # fmt: skip
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.getsockname())
    server.close()
    return client
