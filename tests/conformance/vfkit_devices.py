# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's ``--device`` values but disks and networks: from pkg/config/virtio.go at b2bc27e5.

A device is the JSON object that ``GET /vm/inspect`` shows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from go_values import signed, unsigned
from verdict import Refusal
from vfkit_options import Option, unknown

Device = dict[str, Any]


def without_options(kind: str, name: str, given: Sequence[Option]) -> Device:
    if given:
        raise unknown(name)
    return {"kind": kind}


def serial(given: Sequence[Option]) -> Device:
    device: Device = {"kind": "virtioserial"}
    for option in given:
        match option.key:
            case "logFilePath":
                device["logFile"] = option.value
            case "stdio":
                device["usesStdio"] = option.word()
            case "pty":
                device["usesPty"] = True
            case _:
                raise unknown("virtio-serial")
    if not device.get("logFile"):
        device.pop("logFile", None)
    if len(device) == 1:
        raise Refusal("virtio-serial without an end: logFilePath, stdio or pty")
    if len(device) > 2:
        raise Refusal("logFilePath, stdio and pty exclude each other")
    return device


def vsock(given: Sequence[Option]) -> Device:
    port, url, listen = 0, "", True
    for option in given:
        match option.key:
            case "port":
                port = unsigned(option.value, 32)
            case "socketURL":
                url = option.value
            case "listen":
                listen = True
            case "connect":
                listen = False
            case _:
                raise unknown("virtio-vsock")
    device: Device = {"kind": "virtiosock", "port": port, "socketURL": url}
    return device | ({"listen": True} if listen else {})


def share(given: Sequence[Option]) -> Device:
    device: Device = {"kind": "virtiofs", "mountTag": "", "sharedDir": ""}
    for option in given:
        if option.key not in ("mountTag", "sharedDir"):
            raise unknown("virtio-fs")
        device[option.key] = option.value
    return device


def rosetta(given: Sequence[Option]) -> Device:
    device: Device = {"kind": "rosetta", "mountTag": "", "installRosetta": False, "ignoreIfMissing": False}
    for option in given:
        match option.key:
            case "mountTag":
                device["mountTag"] = option.value
            case "install":
                device["installRosetta"] = True
            case "ignore-if-missing":
                device["ignoreIfMissing"] = True
            case _:
                raise unknown("rosetta share")
    return device


def gpu(given: Sequence[Option]) -> Device:
    sides = {"width": 0, "height": 0}
    for option in given:
        if option.key not in sides:
            raise unknown("virtio-gpu")
        sides[option.key] = _side(option.value)
    if not any(sides.values()):
        sides = {"width": 800, "height": 600}
    if not all(sides.values()):
        raise Refusal("width and height go together")
    return {"kind": "virtiogpu", "usesGUI": False, **sides}


def _side(text: str) -> int:
    try:
        value = signed(text)
    except Refusal:
        value = 0
    if value < 1:
        raise Refusal("width and height are whole numbers from 1")
    return value


def pointer_or_keyboard(given: Sequence[Option]) -> Device:
    found = ""
    for option in given:
        if option.key not in ("keyboard", "pointing"):
            raise unknown("virtio-input")
        option.word()
        found = option.key
    if not found:
        raise unknown("virtio-input")
    return {"kind": "virtioinput", "inputType": found}
