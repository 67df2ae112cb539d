# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md has the figures that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config import nodes
from callao.gotemplate import budget
from callao.guest import frames, streams
from callao.hostagent import api, guestlink, liveports, logs, portforward, readiness, switch, udpforward
from callao.images import decompress, download
from callao.lockfile import bundle
from callao.resolver import listeners, server
from callao.sftp import packets
from callao.ssh import output
from callao.templates import read
from callao.templates.resolve import _DEEPEST as BASES

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
ROWS = {
    row.split("|")[1].strip(): row.split("|")[2].strip()
    for row in PAGE.read_text().splitlines()
    if row.startswith("| ")
}
KIB, MIB = 1 << 10, 1 << 20


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        ("a message of the guest's program", [f"{frames.LIMIT // MIB} MiB"]),
        ("bytes under way in one direction of a stream", [f"{streams.WINDOW // KIB} KiB"]),
        ("what is unread by the guest", [f"{guestlink._DEAF // MIB} MiB"]),
        ("streams at a time", [str(switch.MOST)]),
        ("clients of a UDP port at a time", [str(udpforward.CLIENTS)]),
        ("listeners that are kept note of", [str(portforward.MOST_LISTENERS)]),
        ("forwards of listeners at a time", [str(portforward.MOST_FORWARDS)]),
        ("taken ports whose holder is looked for, at one change", [str(portforward._MOST_NAMED)]),
        ("events of forwards in `ha.stdout.log`", [str(int(each)) for each in liveports._TOLD]),
        ("lines of the guest's boot that are passed on", [f"{readiness._MOST_SAID} characters"]),
        ("the output of a command in the guest", [f"{output.OUTPUT_LIMIT // MIB} MiB"]),
        ("a line of such output", [f"{output.LINE_LIMIT // KIB} KiB"]),
        ("each `*.log` of an instance", [f"{logs.LIMIT // MIB} MiB", f"{logs._LOOK:.0f} s"]),
        ("questions to the host's resolver at a time", [str(server.MOST_QUERIES)]),
        ("TCP connections to the resolver", [str(listeners.MOST_CONNECTIONS)]),
        ("a request on `ha.sock`", [f"{api._BODY_LIMIT // MIB} MiB"]),
        ("a packet to the SFTP server", [f"{packets.LONGEST // KIB} KiB"]),
        ("a template", [f"{read._LARGEST // MIB} MiB", f"{nodes._MOST_LEAVES} values"]),
        ("a template", [f"{nodes._DEEPEST} levels"]),
        ("templates that are each other's `base`", [f"{BASES} levels"]),
        ("what a Go template comes to", [f"{budget.LARGEST // MIB} MiB", f"{budget._STEPS} steps"]),
        ("a server's `Retry-After`", [f"{download._LONGEST_WAIT:.0f} s"]),
        ("a lock file in a tar", [f"{bundle._LARGEST_LOCK // MIB} MiB"]),
        ("what a compressed image unpacks to", [decompress._DEFAULT_LARGEST.replace("GiB", " GiB")]),
        ("memory for an xz archive", [f"{decompress._XZ_MEMORY // MIB} MiB"]),
    ],
)
def test_a_limit_is_what_the_page_says(what: str, figures: list[str]) -> None:
    assert [each for each in figures if each not in ROWS[what]] == []
