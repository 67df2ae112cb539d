# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's disks: from pkg/config/virtio.go at b2bc27e5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from files import Files
from go_values import signed
from verdict import Refusal
from vfkit_options import Option, unknown

QCOW2 = b"QFI\xfb"
MILLISECOND = 1_000_000


def block(given: Sequence[Option], files: Files) -> dict[str, Any]:
    device = disk("virtioblk", "virtio-blk", [option for option in given if option.key != "deviceId"])
    identifiers = [option.value for option in given if option.key == "deviceId"]
    if identifiers and identifiers[-1]:
        device["deviceIdentifier"] = identifiers[-1]
    _raw_file(device.get("imagePath", ""), files)
    return device


def disk(kind: str, name: str, given: Sequence[Option]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in given:
        match option.key:
            case "path":
                found["imagePath"] = option.value
            case "type":
                if option.value not in ("image", "dev", ""):
                    raise Refusal("type is image or dev")
                found["type"] = option.value
            case "readonly":
                found["readOnly"] = option.word()
            case _:
                raise unknown(name)
    return {"kind": kind, "devName": name, **{key: value for key, value in found.items() if value}}


def _raw_file(path: str, files: Files) -> None:
    try:
        head = files.head(path)
    except OSError:
        raise Refusal("the disk file cannot be opened and read") from None
    if not head:
        raise Refusal("the disk file is empty")
    if head == QCOW2:
        raise Refusal("the disk is qcow2")


def network_block(given: Sequence[Option]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "DeviceIdentifier": "",
        "Timeout": 15_000 * MILLISECOND,
        "SynchronizationMode": "full",
    }
    rest: list[Option] = []
    for option in given:
        match option.key:
            case "deviceId":
                found["DeviceIdentifier"] = option.value
            case "timeout":
                found["Timeout"] = signed(option.value, 32) * MILLISECOND
            case "sync":
                if option.value not in ("full", "none"):
                    raise Refusal("sync is full or none")
                found["SynchronizationMode"] = option.value
            case _:
                rest.append(option)
    storage: dict[str, Any] = {}
    for option in rest:
        match option.key:
            case "uri":
                storage["uri"] = option.value
            case "readonly":
                storage["readOnly"] = option.word()
            case _:
                raise unknown("nbd")
    shown = {key: value for key, value in storage.items() if value}
    return {"kind": "nbd", "devName": "nbd", **shown, **found}
