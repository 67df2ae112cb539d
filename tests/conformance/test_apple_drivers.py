# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers vz and krunkit start and end the stand-ins, whose machines have no guest here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.apple.install import install
from support.waiting import until

from callao.config import effective
from callao.drivers import Boot, driver_for
from callao.drivers.apple import short_folder
from callao.drivers.apple.files import Sockets, tool_log
from callao.events import Event
from callao.host import Host
from callao.hostagent.mounts.devices import device_share
from callao.hostagent.shutdown import shut_down
from callao.instances import InstancePaths
from callao.instances.stop_policy import StopPolicy


@dataclass(frozen=True)
class Case:
    """``ways`` are those by which the machine may have gone."""

    vm_type: str
    programs: tuple[str, ...]
    ways: tuple[str, ...] = ("acpi",)
    environment: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "vz-nat": Case("vz", ("vfkit",)),
    "vz-gvproxy": Case("vz", ("vfkit", "gvproxy")),
    "krunkit": Case("krunkit", ("krunkit", "gvproxy")),
    "krunkit-1.2.1": Case(
        "krunkit", ("krunkit", "gvproxy"), ("quit",), {"CALLAO_STAND_IN_KRUNKIT_VERSION": "1.2.1"}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_machine_starts_is_shut_down_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    environment = {"CALLAO_STAND_IN_GUEST": "none", **case.environment}
    programs = install(tmp_path / "bin", environment, case.programs)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    paths = InstancePaths(tmp_path / "box ü")
    paths.dir.mkdir()
    for each in (paths.disk, paths.cidata_iso):
        each.write_bytes(b"\0" * 4096)
    if case.vm_type == "krunkit":
        paths.kernel.touch()
    told = asyncio.run(_life(case, paths))
    assert any("images[].kernel" in each for each in told) == (case.vm_type == "krunkit")
    assert any("shares it writable" in each for each in told)
    assert not short_folder.folder_of(paths).exists()
    assert not (paths.dir / "sockets").is_symlink()


async def _life(case: Case, paths: InstancePaths) -> list[str]:
    """The notices of the start."""
    host = Host.detect()
    document = {
        "vmType": case.vm_type,
        "images": [{"location": "/a.qcow2", "arch": host.arch}],
        "cpus": 1,
        "memory": "512MiB",
        "mountType": "virtiofs",
        "mounts": [{"location": str(paths.dir.parent)}],
        "networks": [{"socket": "/nosuch.sock", "interface": "lima0"}],
    }
    config = effective(document, host, name="box", instance_dir=paths.dir)
    driver = driver_for(config.vm_type)
    assert driver.missing(config) == []
    reach = driver.reach(paths, config, 61022)
    assert bool(reach.proxy_command) == ("gvproxy" not in case.programs)
    shares = tuple(device_share(each, config.mount_type) for each in config.mounts)
    told: list[Event] = []
    boot = Boot(paths, config, reach, mac_address="52:55:55:01:02:03", shares=shares)
    machine = await driver.start(boot, told.append)
    pid = machine.pid
    assert paths.driver_pid(case.vm_type).read_text() == f"{pid}\n"
    if "gvproxy" in case.programs:
        await _kill_gvproxy(paths, told)
    way = await shut_down(machine, None, StopPolicy(acpi=20.0, ssh=0.0, quit=20.0))
    await machine.wait()
    assert way in case.ways, tool_log(paths, config.vm_type).read_text()
    assert not Path(f"/proc/{pid}").exists()
    return [each.message for each in told]


async def _kill_gvproxy(paths: InstancePaths, told: list[Event]) -> None:
    """Nothing else of the machine ends with it, and it is told once."""
    config = str(Sockets(short_folder.folder_of(paths)).folder / "gvproxy.json")
    [process] = [each for each in psutil.Process().children() if config in each.cmdline()]
    process.kill()
    await until(lambda: [each for each in told if "the guest has no network" in each.message])
