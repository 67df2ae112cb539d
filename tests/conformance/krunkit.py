# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of krunkit c56c2b47 (1.3.1), as its own parser and its checks up to libkrun read it.

Written from src/cmdline.rs, src/context.rs and src/status.rs; ``version`` gates what 1.2.1 does not know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clap import NO_VALUE, USAGE, Flag, Flags
from files import Files
from krunkit_devices import bootloader, device
from rust_values import is_ipv4, unsigned
from verdict import Refusal, Verdict

LATEST = (1, 3, 1)
UNITS = {"M": 0, "G": 10, "T": 20, "P": 30}
LARGEST_MEMORY = 61440
"""MiB."""
MOST_OEM_STRINGS = 255
OUT_OF_RANGE = "not a number in the range of the flag"


@dataclass
class Given:
    version: tuple[int, int, int]
    found: dict[str, Any] = field(default_factory=dict)
    devices: list[dict[str, Any]] = field(default_factory=list)
    oem_strings: list[str] = field(default_factory=list)

    def flags(self) -> list[Flag]:
        return [
            Flag("cpus", "c", lambda text: self._set("cpus", unsigned(text, 8, OUT_OF_RANGE))),
            Flag("memory", "m", lambda text: self._set("memory", memory(text))),
            Flag("bootloader", accept=lambda text: self._set("bootloader", bootloader(text))),
            Flag(
                "device", accept=lambda text: self.devices.append(device(text, self.version)), repeats=True
            ),
            Flag("restful-uri", accept=lambda text: self._set("restful-uri", restful_uri(text))),
            Flag("gui"),
            Flag("oem-string", accept=self.oem_strings.append, repeats=True),
            Flag("krun-log-level", accept=lambda text: self._set("level", unsigned(text, 32, OUT_OF_RANGE))),
            Flag("nested", "n"),
            Flag("pidfile", accept=lambda text: self._set("pidfile", path(text))),
            Flag("log-file", accept=lambda text: self._set("log-file", path(text))),
            Flag("firmware-path", "f", lambda text: self._set("firmware-path", path(text))),
            Flag("timesync", accept=lambda text: self._set("timesync", timesync(text))),
            Flag("help", "h", prints=True),
            Flag("version", "V", prints=True),
        ]

    def _set(self, name: str, value: Any) -> None:
        self.found[name] = value


def verdict(argv: Sequence[str], files: Files, version: tuple[int, int, int] = LATEST) -> Verdict:
    try:
        return Verdict(accepted=True, parsed=parse(argv, files, version))
    except Refusal as refusal:
        return Verdict(accepted=False, why=refusal.why, exit=refusal.exit)


def parse(argv: Sequence[str], files: Files, version: tuple[int, int, int] = LATEST) -> dict[str, Any]:
    """The flags and options as krunkit holds them. Raises Refusal."""
    given = Given(version)
    flags = Flags(given.flags())
    flags.parse(argv)
    found = given.found
    if "cpus" not in found or "memory" not in found:
        raise Refusal("--cpus and --memory must both be there", exit=USAGE)
    _before_libkrun(given, files)
    return {
        "cpus": found["cpus"],
        "memoryMiB": found["memory"],
        "bootloader": found.get("bootloader"),
        "devices": given.devices,
        "restfulUri": found.get("restful-uri"),
        "gui": "gui" in flags.seen,
        "oemStrings": given.oem_strings if "oem-string" in flags.seen else None,
        "krunLogLevel": found.get("level"),
        "nested": "nested" in flags.seen,
        "pidfile": found.get("pidfile"),
        "logFile": found.get("log-file"),
        "firmwarePath": found.get("firmware-path"),
        "timesyncPort": found.get("timesync"),
    }


def _before_libkrun(given: Given, files: Files) -> None:
    log = given.found.get("log-file")
    if log is not None:
        try:
            files.write(log)
        except IsADirectoryError:
            raise Refusal("the log file is a directory") from None
        except OSError:
            raise Refusal("the log file cannot be made") from None
    if given.found["cpus"] == 0:
        raise Refusal("at least one CPU")
    if given.found["memory"] == 0:
        raise Refusal("memory 0")
    if given.found["memory"] > LARGEST_MEMORY:
        raise Refusal(f"memory above {LARGEST_MEMORY} MiB")
    if len(given.oem_strings) > MOST_OEM_STRINGS:
        raise Refusal(f"more than {MOST_OEM_STRINGS} OEM strings")


def memory(text: str) -> int:
    """MiB, from a whole number with one of M, G, T, P in either case, or nothing."""
    number, unit = (text[:-1], text[-1].upper()) if re.search(r"[A-Za-z]\Z", text) else (text, "M")
    count = unsigned(number, 64, "memory is a whole number with one of M, G, T, P or nothing")
    if unit not in UNITS:
        raise Refusal("memory unit is none of M, G, T, P", exit=USAGE)
    value = count << UNITS[unit]
    if value >= 1 << 32:
        raise Refusal("memory does not fit 32 bits of MiB", exit=USAGE)
    return value


def path(text: str) -> str:
    if not text:
        raise Refusal(NO_VALUE, exit=USAGE)
    return text


def timesync(text: str) -> int:
    if not text.startswith("vsockPort="):
        raise Refusal("timesync is vsockPort=N", exit=USAGE)
    return unsigned(text.removeprefix("vsockPort="), 32, "timesync port is no number of 32 bits")


def restful_uri(text: str) -> dict[str, Any]:
    found = re.match(r"(none|tcp|unix)://(.*)", text)
    if found is None:
        raise Refusal("scheme is none of none, unix, tcp, or :// is missing", exit=USAGE)
    scheme, value = found[1], found[2]
    if scheme == "tcp":
        host, port = _host_and_port(value)
        return {"scheme": "tcp", "host": host, "port": port}
    if scheme == "unix":
        if not value:
            raise Refusal("unix without a path", exit=USAGE)
        return {"scheme": "unix", "path": value}
    return {"scheme": "none"}


def _host_and_port(value: str) -> tuple[str, int]:
    pieces = value.split(":")
    if len(pieces) != 2:
        raise Refusal("not HOST:PORT", exit=USAGE)
    host = "127.0.0.1" if pieces[0] == "localhost" else pieces[0]
    if not is_ipv4(host):
        raise Refusal("the host is not an IPv4 address or localhost", exit=USAGE)
    return host, unsigned(pieces[1], 16, "not a port number")
