# SPDX-License-Identifier: GPL-3.0-or-later
"""krunkit's ``--device`` and ``--bootloader`` values: from src/virtio.rs and src/cmdline.rs at c56c2b47."""

from __future__ import annotations

from typing import Any

from clap import USAGE
from rust_values import mac_address, signed, unsigned
from verdict import Refusal

BOOLEANS = {"on": True, "true": True, "off": False, "false": False}
PERMISSION_SEMANTICS_SINCE = (1, 3, 0)


def fault(why: str) -> Refusal:
    return Refusal(why, exit=USAGE)


class Arguments:
    """The pieces of one value. A key stands once, with at most one equal sign; an empty piece is a key."""

    def __init__(self, text: str, label: str, required: tuple[str, ...] = ()) -> None:
        self._label = label
        self._values: dict[str, str] = {}
        for piece in text.split(","):
            if piece.count("=") > 1:
                raise fault("a second equal sign in one option")
            key, _, value = piece.partition("=")
            if key in self._values:
                raise fault("the same key twice in one value")
            self._values[key] = value
        for key in required:
            if key not in self._values:
                raise fault(f"{label} lacks {key}")

    def take(self, key: str) -> str | None:
        return self._values.pop(key, None)

    def required(self, key: str) -> str:
        return self._values.pop(key)

    def word(self, key: str) -> bool:
        value = self.take(key)
        if value:
            raise fault("the word takes no value")
        return value is not None

    def boolean(self, key: str) -> bool:
        value = self.take(key)
        if value is None:
            return False
        if value not in BOOLEANS:
            raise fault("takes on, off, true or false")
        return BOOLEANS[value]

    def end(self) -> None:
        if self._values:
            raise fault(f"an option that {self._label} does not know (an empty piece counts)")


def bootloader(text: str) -> dict[str, Any]:
    given = Arguments(text, "bootloader", ("efi", "variable-store", "create"))
    given.word("efi")
    store = given.required("variable-store")
    given.word("create")
    given.end()
    return {"kind": "efi", "variableStore": store, "create": True}


def device(text: str, version: tuple[int, int, int]) -> dict[str, Any]:
    """One ``--device``; ``version`` is krunkit's."""
    kind, _, rest = text.partition(",")
    match kind:
        case "virtio-blk":
            return _block(rest)
        case "virtio-rng":
            return {"kind": kind}
        case "virtio-serial":
            given = Arguments(rest, kind, ("logFilePath",))
            path = given.required("logFilePath")
            given.end()
            return {"kind": kind, "logFilePath": path}
        case "virtio-vsock":
            return _vsock(rest)
        case "virtio-net":
            return _network(rest)
        case "virtio-fs":
            return _share(rest, version)
        case "virtio-gpu":
            return _gpu(rest)
        case "virtio-input":
            return _input(rest)
    raise fault("no such kind of device")


def _block(text: str) -> dict[str, Any]:
    given = Arguments(text, "virtio-blk", ("path",))
    path = given.required("path")
    form = given.take("format")
    if form is not None and form.lower() not in ("raw", "qcow2"):
        raise fault("format is raw or qcow2")
    given.end()
    return {"kind": "virtio-blk", "path": path, "format": (form or "raw").lower()}


def _vsock(text: str) -> dict[str, Any]:
    given = Arguments(text, "virtio-vsock", ("port", "socketURL"))
    port = unsigned(given.required("port"), 32, "port is no number of 32 bits")
    url = given.required("socketURL")
    connect = given.word("connect")
    if given.word("listen") and connect:
        raise fault("listen and connect exclude each other")
    given.end()
    action = "connect" if connect else "listen"
    return {"kind": "virtio-vsock", "port": port, "socketURL": url, "action": action}


def _network(text: str) -> dict[str, Any]:
    given = Arguments(text, "virtio-net", ("mac",))
    found: dict[str, Any] = {"kind": "virtio-net"}
    path, form = given.take("unixSocketPath"), given.take("type")
    if path is not None and form is not None:
        raise fault("type and unixSocketPath exclude each other")
    if path is not None:
        found |= {"type": "unixgram", "path": path, "fd": None, "offloading": True, "vfkitMagic": True}
    elif form is not None:
        found |= _socket(form, given)
    else:
        raise fault("virtio-net needs type= or unixSocketPath=")
    found["mac"] = mac_address(given.required("mac"))
    given.end()
    return found


def _socket(form: str, given: Arguments) -> dict[str, Any]:
    if form not in ("unixgram", "unixstream"):
        raise fault("type is unixgram or unixstream")
    path, text = given.take("path"), given.take("fd")
    fd = None if text is None else signed(text, 32, "fd is no number of 32 bits")
    if path is not None and fd is not None:
        raise fault("path and fd exclude each other")
    offloading = given.boolean("offloading")
    magic = given.take("vfkitMagic")
    if magic is not None and form != "unixgram":
        raise fault("vfkitMagic only with type=unixgram")
    if magic is not None and magic not in BOOLEANS:
        raise fault("takes on, off, true or false")
    return {
        "type": form,
        "path": path,
        "fd": fd,
        "offloading": offloading,
        "vfkitMagic": magic is not None and BOOLEANS[magic],
    }


def _share(text: str, version: tuple[int, int, int]) -> dict[str, Any]:
    given = Arguments(text, "virtio-fs", ("sharedDir", "mountTag"))
    directory, tag = given.required("sharedDir"), given.required("mountTag")
    semantics = given.take("permissionSemantics") if version >= PERMISSION_SEMANTICS_SINCE else None
    if semantics is not None and semantics.lower() not in ("complete", "simplified"):
        raise fault("permissionSemantics is complete or simplified")
    given.end()
    known = (semantics or "simplified").lower()
    return {"kind": "virtio-fs", "sharedDir": directory, "mountTag": tag, "permissionSemantics": known}


def _gpu(text: str) -> dict[str, Any]:
    given = Arguments(text, "virtio-gpu", ("height", "width"))
    why = "width and height are whole numbers of 32 bits"
    width = unsigned(given.required("width"), 32, why)
    height = unsigned(given.required("height"), 32, why)
    given.end()
    return {"kind": "virtio-gpu", "width": width, "height": height}


def _input(text: str) -> dict[str, Any]:
    Arguments(text, "virtio-input")
    if "," in text:
        raise fault("virtio-input takes one word")
    key, _, value = text.partition("=")
    if value:
        raise fault("the word takes no value")
    if key not in ("keyboard", "pointing"):
        raise fault("virtio-input is keyboard or pointing")
    return {"kind": "virtio-input", "type": key}
