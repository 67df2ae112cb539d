# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the engine safe for several threads of one process.

msgspec builds what it knows of a type when that is first used, and not safely: two threads that begin with
one record read it wrongly, or end the process. Where there are threads, one builds it all before any begins.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import cache, wraps
from importlib import import_module
from typing import ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
R = TypeVar("R")

_RECORD_MODULES = (
    "callao.config.schema",
    "callao.drivers.qemu.probe.run",
    "callao.events",
    "callao.hostagent.journal",
    "callao.hostagent.api.saving",
    "callao.instances.records",
    "callao.lockfile.model",
    "callao.snapshots.cache",
    "callao.snapshots.record",
)
"""Modules with records that are read from files or sockets."""

_BUILD_LOCK = threading.Lock()


def thread_safe(call: Callable[P, R]) -> Callable[P, R]:
    """A door of the engine that threads may come through at the same time."""

    @wraps(call)
    def door(*arguments: P.args, **options: P.kwargs) -> R:
        if threading.active_count() > 1:  # else nobody pays for it
            with _BUILD_LOCK:
                _build_decoders()
        return call(*arguments, **options)

    return door


@cache
def _build_decoders() -> None:
    for module in _RECORD_MODULES:
        import_module(module)
    for record in _subclasses(msgspec.Struct):
        with contextlib.suppress(TypeError):  # one that is never read
            msgspec.json.Decoder(record)


def _subclasses(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
