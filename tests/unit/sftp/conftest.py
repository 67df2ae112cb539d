# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from paramiko import SFTPClient
from served import Wire, World, client, program, world


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


@pytest.fixture
def sftp(here: World) -> Iterator[SFTPClient]:
    """A client of a writable share."""
    with client(here, "--writable") as found:
        yield found


@pytest.fixture
def wire(here: World) -> Iterator[Wire]:
    """The same, packet by packet."""
    with program(here, "--writable") as (ours, _child):
        yield Wire(ours)
