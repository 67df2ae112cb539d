# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message of the guest program's protocol with its fields; docs/protocols.md describes them."""

_IDENTITY = ("hostname", "machine_id", "instance_id", "host_key_pub")

TO_GUEST = {
    "hello": ("protocol", "id"),
    "ping": ("id",),
    "time": ("now",),
    "scan": (),
    "expose": ("ports", "address"),
    "dns": ("udp", "tcp", "server", "gateway"),
    "become": (*_IDENTITY, "host_key", "entropy", "now"),
}

FROM_GUEST = {
    "hello": ("protocol", "version", "python", "boot_id", "hears", "deaf", "answer"),
    "listeners": ("added", "removed"),
    "pong": ("id", "time"),
    "timed": ("offset", "stepped", "error"),
    "exposed": ("ports", "error"),
    "resolving": ("error",),
    "became": (*_IDENTITY, "error"),
    "log": ("message",),
}

V6ONLY = "v6only"
"""The ``source`` of a listener on all addresses of IPv6 alone."""

DNAT = "dnat"
"""The ``source`` of a port that the packet filter redirects, in most cases to a container."""

FILTERED = "filtered"
"""The ``source`` of a listener that the guest's packet filter may close to what comes in by the NIC."""
