# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress events of long operations.

Whoever does the work calls a :data:`Reporter`; whoever shows it (a module, the command line)
supplies one. Events cross processes as JSON, one object a line.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

import msgspec

from callao.printable import printable


class Stage(enum.StrEnum):
    """The stages a box passes on its way up, in order."""

    IMAGE = "image"
    """The disk image is in the cache, verified and usable."""
    DISK = "disk"
    """The instance's folder, disk and cidata are made."""
    DRIVER = "driver"
    """The hypervisor runs the machine."""
    IDENTITY = "identity"
    """The guest goes on from a saved state, and is itself: only where it was not booted."""
    SSHD = "sshd"
    """sshd answers with the expected host key and lets us in."""
    CLOUD_INIT = "cloud-init"
    """cloud-init has finished: only in a guest that has it."""
    FIRST_BOOT = "first-boot"
    """A golden image's own first-boot system has set the guest up, in place of cloud-init."""
    PROVISION = "provision"
    """The boot scripts and the user's provision scripts have ended well."""
    MOUNTS = "mounts"
    """The host's directories are there."""
    PROBES = "probes"
    """Every readiness probe has passed."""
    READY = "ready"
    """The box can be used."""
    SNAPSHOT = "snapshot"
    """A snapshot is taken or restored."""
    STOP = "stop"
    """The machine is off."""


class EventState(enum.StrEnum):
    """The state of the event's stage."""

    BEGUN = "begun"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"
    NOTICE = "notice"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened.

    :param time: seconds since the epoch.
    :param seconds: seconds since the operation began.
    :param message: for people; a stage that is DONE needs none.
    """

    stage: Stage
    state: EventState
    time: float = msgspec.field(default_factory=time.time)
    seconds: float | None = None
    message: str = ""
    fraction: float | None = None
    """0..1 where PROGRESS can be counted."""

    def __post_init__(self) -> None:
        message = printable(self.message)
        if message != self.message:
            msgspec.structs.force_setattr(self, "message", message)

    def timed(self, seconds: float) -> Event:
        """The event with *seconds* since the operation began, unless it has them already."""
        return self if self.seconds is not None else msgspec.structs.replace(self, seconds=seconds)


Reporter = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The reporter for callers who do not want to hear."""
