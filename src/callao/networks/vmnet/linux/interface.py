# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's interface in a network: a TAP device, its address, and the kernel's rules for it."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface
from pathlib import Path

from callao.networks.vmnet.linux.options import Options

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x8000
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where root's own programs are; the caller's PATH is not asked."""


class Unavailable(Exception):
    """The host does not give what is asked for; the text says why."""


@contextlib.contextmanager
def host_interface(options: Options) -> Iterator[int]:
    """The descriptor of the TAP device; the device and its rules end with the block.

    :raises Unavailable: when an interface has the subnet already, or a program refuses.
    """
    _must_be_free(options)
    descriptor = _open_tap(options.interface)
    try:
        if options.bridge:
            _run(["ip", "link", "set", "dev", options.interface, "master", options.bridge, "up"])
            yield descriptor
            return
        assert options.subnet is not None
        address = f"{options.gateway}/{options.subnet.prefixlen}"
        _run(["ip", "address", "add", address, "dev", options.interface])
        _run(["ip", "link", "set", "dev", options.interface, "up"])
        try:
            _run(["nft", "-f", "-"], rules(options))
            if options.mode == "shared":
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n", encoding="ascii")
            yield descriptor
        finally:
            with contextlib.suppress(Unavailable):
                _run(
                    ["nft", "-f", "-"],
                    f"table inet {_table(options)}\ndelete table inet {_table(options)}\n",
                )
    finally:
        os.close(descriptor)


def mac_address(interface: str) -> bytes:
    """The address of an interface of the host."""
    text = Path("/sys/class/net", interface, "address").read_text(encoding="ascii")
    return bytes.fromhex(text.strip().replace(":", ""))


def rules(options: Options) -> str:
    """nft's rules: ``shared`` translates the guests' addresses, and ``host`` does not forward for them."""
    table, device = _table(options), options.interface
    if options.mode == "shared":
        chain = (
            "chain postrouting { type nat hook postrouting priority srcnat; "
            f'ip saddr {options.subnet} oifname != "{device}" masquerade\n}}'
        )
    else:
        chain = (
            "chain forward { type filter hook forward priority filter; "
            f'iifname "{device}" drop; oifname "{device}" drop\n}}'
        )
    # A killed one may have left its table.
    return f"table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n{chain}\n}}\n"


def _table(options: Options) -> str:
    return f"callao_{hashlib.sha256(options.name.encode()).hexdigest()[:10]}"


def _must_be_free(options: Options) -> None:
    if options.subnet is None:
        return
    for link in json.loads(_run(["ip", "-json", "-4", "address", "show"]) or "[]"):
        for each in link.get("addr_info", ()):
            if IPv4Interface(f"{each['local']}/{each['prefixlen']}").network.overlaps(options.subnet):
                raise Unavailable(f"interface {link['ifname']} is in {options.subnet} already")


def _open_tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode("ascii"), flags))
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(f"interface {name} cannot be made: {error.strerror}") from None
    return descriptor


def _run(argv: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=60, env={"PATH": _PATH, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise Unavailable(f"{argv[0]} is not installed") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
