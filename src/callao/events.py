# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress events of long operations.

The code that does the work calls a :data:`Reporter`, which the caller (a module, the command line) passes
in. Between processes, events are JSON, one object a line.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

import msgspec

from callao.printable import printable


class Stage(enum.StrEnum):
    """The stages of an instance's start, in order."""

    IMAGE = "image"
    """The disk image is in the cache and verified."""
    DISK = "disk"
    """The instance's folder, disk and cidata are made."""
    DRIVER = "driver"
    """The hypervisor runs the machine."""
    IDENTITY = "identity"
    """The guest was restored from a saved state and has its own identity; no such stage in a boot."""
    SSHD = "sshd"
    """sshd answers with the expected host key, and the login works."""
    CLOUD_INIT = "cloud-init"
    """cloud-init has finished; only in guests that have it."""
    FIRST_BOOT = "first-boot"
    """The first-boot system of a golden image, which replaces cloud-init, has finished."""
    PROVISION = "provision"
    """The boot scripts and the user's provision scripts have succeeded."""
    MOUNTS = "mounts"
    """The shared directories are mounted."""
    PROBES = "probes"
    """Every readiness probe has passed."""
    COPIES = "copies"
    """The files of ``copyToHost`` are on the host; no such stage where there are none."""
    READY = "ready"
    """The instance is ready to use."""
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
    """The reporter that ignores events."""
