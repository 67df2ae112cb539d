# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's ``virtio-net``: from pkg/config/virtio.go at b2bc27e5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from go_values import mac_address, signed
from verdict import Refusal
from vfkit_options import Option, unknown

LARGEST_DESCRIPTOR = (1 << 31) - 1


@dataclass
class Network:
    nat: bool = False
    fd: int | None = None
    path: str = ""
    magic: bool = False
    mac: str = ""
    typed: bool = False
    needs_type: str = ""
    """The first option that stands only beside ``type=``."""

    def take(self, option: Option) -> None:
        match option.key:
            case "nat":
                self.nat = option.word()
            case "mac":
                self.mac = mac_address(option.value)
            case "fd":
                self.fd = descriptor(option.value)
            case "unixSocketPath":
                self.path = option.value
            case "type":
                one_of(option, "unixgram")
                self.typed = True
            case "path":
                self.path = option.value
                self.needs_type = self.needs_type or "path"
            case "vfkitMagic":
                one_of(option, "on", "off")
                self.magic = option.value == "on"
            case "offloading":
                one_of(option, "off")
                self.needs_type = self.needs_type or "offloading"
            case _:
                raise unknown("virtio-net")

    def check(self) -> None:
        if self.typed and not self.path:
            raise Refusal("type= without a socket path")
        if not self.typed and self.needs_type:
            raise Refusal(f"{self.needs_type} is only known together with type=")
        ends = [name for name, there in self._ends() if there]
        if len(ends) > 1:
            raise Refusal(f"{ends[0]} and {ends[1]} exclude each other")
        if not ends:
            raise Refusal("virtio-net without an end: nat, fd or a socket path")

    def _ends(self) -> list[tuple[str, bool]]:
        return [("nat", self.nat), ("fd", self.fd is not None), ("unixSocketPath", bool(self.path))]


def network(given: Sequence[Option]) -> dict[str, Any]:
    found = Network(magic=any(option.key in ("path", "unixSocketPath") for option in given))
    for option in given:
        found.take(option)
    found.check()
    shown = {"unixSocketPath": found.path, "vfkitMagic": found.magic, "macAddress": found.mac}
    device = {"kind": "virtionet", "nat": found.nat, **{key: value for key, value in shown.items() if value}}
    return device | ({} if found.fd is None else {"fd": found.fd})


def descriptor(text: str) -> int:
    value = signed(text)
    if not 0 <= value <= LARGEST_DESCRIPTOR:
        raise Refusal(f"file descriptor outside 0 to {LARGEST_DESCRIPTOR}")
    return value


def one_of(option: Option, *allowed: str) -> None:
    if option.value not in allowed:
        raise Refusal(f"{option.key} takes only {' or '.join(allowed)}")
