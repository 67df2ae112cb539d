# SPDX-License-Identifier: GPL-3.0-or-later
"""The display of a machine: none, a window, or a VNC server, see qemu(1), ``-display``.

``video.display`` and ``video.vnc.display`` come from a template, so only values are accepted that open no
listener without a password and name no file of the host.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from callao.atomic import write_file
from callao.config import Arch, Config
from callao.drivers.qemu.devices import escape_commas
from callao.errors import Problem
from callao.instances import InstancePaths

NONE, VNC = "none", "vnc"

_WINDOW = re.compile(r"(?:default|gtk|sdl|cocoa|egl-headless)(?:,[a-z-]+=[a-z0-9]+)*")
_VNC_SERVER = re.compile(r"none|(?:[A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\]):\d{1,3}(?:,to=\d{1,3})?")
_USUAL_VNC_SERVER = "127.0.0.1:0,to=9"
"""Lima's default: the first free one of the ports 5900 to 5909."""

_PASSWORD_BYTES = 4
"""VNC uses the first eight characters of a password, which are these bytes in hexadecimal."""


def has_display(config: Config) -> bool:
    """Whether the machine has graphics."""
    return config.video.display not in ("", NONE)


def problems(config: Config) -> Iterator[Problem]:
    """What of ``video`` cannot be had."""
    video = config.video
    if video.display == VNC:
        server = video.vnc.display or _USUAL_VNC_SERVER
        if not _VNC_SERVER.fullmatch(server):
            yield Problem(
                "video.vnc.display", server, "is no VNC server", "none, or HOST:DISPLAY[,to=LAST], no file"
            )
    elif has_display(config) and not _WINDOW.fullmatch(video.display):
        allowed = "none, vnc, default, gtk, sdl, cocoa, egl-headless"
        yield Problem("video.display", video.display, "is no display of QEMU", allowed)


def display_option(config: Config, environment: Mapping[str, str]) -> str:
    """The value of ``-display``.

    :param environment: names the desktop. A machine whose display is ``default`` has no window without one,
        where QEMU would refuse to start; its screen can still be read.
    """
    video = config.video
    if video.display == VNC:
        return f"vnc={video.vnc.display or _USUAL_VNC_SERVER},password-secret=vnc"
    if not has_display(config):
        return NONE
    desktop = sys.platform != "linux" or environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    return NONE if video.display == "default" and not desktop else video.display


def renders_on_the_host(config: Config) -> bool:
    """Whether the guest's OpenGL is rendered by the host's GPU: the display has a context of OpenGL, see
    qemu(1), ``-display``, "gl"."""
    kind, *options = config.video.display.split(",")
    return "gl=off" not in options and (
        kind == "egl-headless" or any(each.startswith("gl=") for each in options)
    )


def create_vnc_password(paths: InstancePaths, config: Config) -> None:
    """Create the password of the VNC server, unless it exists."""
    if config.video.display == VNC and not paths.vnc_password.exists():
        text = secrets.token_hex(_PASSWORD_BYTES)
        write_file(paths.vnc_password, text.encode(), mode=0o600)


@dataclass(frozen=True)
class Screen:
    """The graphics card, keyboard and pointer of a machine with a display."""

    arch: Arch
    paths: InstancePaths
    vnc: bool
    gl: bool = False
    """Whether the card passes OpenGL to the host, which needs QEMU's module for it and a GPU."""

    def argv(self) -> list[str]:
        family, suffix = ("virtio-vga", "") if self.arch is Arch.X86_64 else ("virtio-gpu", "-pci")
        card = f"{family}{'-gl' if self.gl else ''}{suffix}"
        devices = (card, "qemu-xhci,id=input", "usb-kbd,bus=input.0", "usb-tablet,bus=input.0")
        password = f"secret,id=vnc,file={escape_commas(self.paths.vnc_password)}"
        return [
            *(("-object", password) if self.vnc else ()),
            *(word for each in devices for word in ("-device", each)),
        ]
