# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance in a network of mode user-v2 whose definition changes while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import psutil
import pytest

from callao.config import Config, effective
from callao.host import Host
from callao.hostagent.nics.attachment import Attachment, attach, reattach
from callao.instances import InstancePaths
from callao.networks.usernet.folder import network_folder

NETWORKS = "networks: {lab: {mode: user-v2, gateway: %s}}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMA_HOME", str(tmp_path))
    (tmp_path / "_config").mkdir()
    _define(tmp_path, "10.1.0.1")
    return tmp_path


def _define(home: Path, gateway: str) -> None:
    (home / "_config" / "networks.yaml").write_text(NETWORKS % gateway)


def _config(home: Path, name: str) -> Config:
    document = {"images": [{"location": "/img.qcow2"}], "networks": [{"lima": "lab"}]}
    return effective(document, Host.detect(), name=name, instance_dir=home / name)


def _attach(home: Path, name: str, left: Attachment | None = None) -> Awaitable[Attachment]:
    config = _config(home, name)
    paths = InstancePaths(home / name)
    if left is None:
        return attach(config.networks[0], paths, config)
    return reattach(left, config.networks[0], paths, config)


def test_a_network_keeps_its_subnet_as_long_as_an_instance_is_in_it(home: Path) -> None:
    async def work() -> None:
        one = await _attach(home, "one")
        assert (one.address, one.notice) == ("10.1.0.3", "")
        _define(home, "10.2.0.1")
        two = await _attach(home, "two")
        assert two.address == "10.1.0.4"
        assert two.notice == (
            "networks: 'lab' keeps its subnet 10.1.0.0/24 as long as an instance is in it; "
            "networks.yaml has 10.2.0.0/24."
        )
        psutil.Process(int(network_folder(home, "lab").pid.read_text())).kill()
        await one.lost(lambda _: None)
        await two.lost(lambda _: None)
        again = await _attach(home, "one", one)
        assert (again.address, again.notice) == (one.address, two.notice)
        await again.leave()
        new = await _attach(home, "new")
        assert (new.address, new.notice) == ("10.2.0.3", "")
        late = await _attach(home, "two", two)
        assert late.notice == (
            "networks: 'lab' has the subnet 10.2.0.0/24 by now, and the guest an address of 10.1.0.0/24: "
            "restart the instance."
        )
        await late.leave()
        await new.leave()

    asyncio.run(work())
