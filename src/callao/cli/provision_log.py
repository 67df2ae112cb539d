# SPDX-License-Identifier: GPL-3.0-or-later
"""``--progress``: shows the log of the first boot and of the provision scripts while an instance starts."""

from __future__ import annotations

import subprocess
import threading
from types import TracebackType

from callao.cli.session import tell
from callao.events import Event, EventState, Reporter, Stage
from callao.instances.paths import InstancePaths, ssh_alias
from callao.ssh.target import Target

_LOG = "/var/log/cloud-init-output.log"
"""cloud-init's file; the first-boot unit of golden images appends to it, too."""

_MAX_LINE = 2000
"""Bytes of a line that are shown at a time."""

_LAST_LINES = 5.0
"""Seconds for what the guest has written before the end of the start."""


class ProvisionLog:
    """A reporter that follows the log by ssh from the first login on, and passes all events on.

    :param paths: of the instance. Of one that never ran the log is shown from its beginning, else from the
        login on: the file has the earlier boots, too.
    """

    def __init__(self, paths: InstancePaths, report: Reporter) -> None:
        self._paths = paths
        self._report = report
        self._lines = "0" if paths.ssh_config.exists() else "+1"
        self._tail: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> ProvisionLog:
        return self

    def __call__(self, event: Event) -> None:
        if event.stage is Stage.SSHD and event.state is EventState.DONE and self._tail is None:
            self._follow()
        if event.state is not EventState.PROGRESS or self._tail is None:  # else the line is shown already
            self._report(event)

    def _follow(self) -> None:
        target = Target(self._paths.ssh_config, ssh_alias(self._paths.name))
        self._tail = subprocess.Popen(
            target.argv(command=[f"sudo -n tail -n {self._lines} -F {_LOG}"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._reader = threading.Thread(target=_show, args=(self._tail,), daemon=True)
        self._reader.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tail is None or self._reader is None:
            return
        self._tail.terminate()
        self._reader.join(_LAST_LINES)
        self._tail.wait()


def _show(tail: subprocess.Popen[bytes]) -> None:
    assert tail.stdout is not None
    with tail.stdout as lines:
        while line := lines.readline(_MAX_LINE):
            if text := line.decode("utf-8", "replace").strip():
                tell(f"[cloud-init] {text}")
