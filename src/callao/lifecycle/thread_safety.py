# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the engine safe for several threads of one process.

msgspec builds its type information when a type is first used, and that is not thread-safe: two threads that
begin with the same record read it wrongly, or crash the process. So one thread builds all of it first.
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
    "callao.hostagent.api.save_api",
    "callao.instances.records",
    "callao.lockfile.model",
    "callao.snapshots.warm_cache",
    "callao.snapshots.record",
)
"""Modules with records that are read from files or sockets."""

_BUILD_LOCK = threading.Lock()


def thread_safe(call: Callable[P, R]) -> Callable[P, R]:
    """Decorate an entry point of the engine that several threads may call at the same time."""

    @wraps(call)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> R:
        if threading.active_count() > 1:  # a process with one thread need not
            with _BUILD_LOCK:
                _build_decoders()
        return call(*arguments, **options)

    return wrapper


@cache
def _build_decoders() -> None:
    for module in _RECORD_MODULES:
        import_module(module)
    for record in _subclasses(msgspec.Struct):
        with contextlib.suppress(TypeError):  # a record that is never decoded
            msgspec.json.Decoder(record)


def _subclasses(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
