# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's side: what is shared now, what is refused, and what is undone when a step fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, MountType, effective
from callao.config.schema import Mount
from callao.config.shares import device_mounts, mount_tag
from callao.drivers import DeviceShare
from callao.drivers.qemu.driver import QemuDriver
from callao.errors import AgentError, CallaoError, DriverError, StageFailed
from callao.host import Host, HostUser
from callao.hostagent.api.http import Request
from callao.hostagent.api.mounts_api import MountsApi
from callao.hostagent.mounts import shares as shares_room
from callao.hostagent.mounts.shares import ActiveMount, Shares
from callao.ssh.client import CommandResult

P9, VIRTIOFS, SSHFS = MountType.P9, MountType.VIRTIOFS, MountType.REVERSE_SSHFS


@dataclass
class Machine:
    """Takes shares, and remembers what it has."""

    plugged: list[str] = field(default_factory=list)
    refuses: bool = False

    async def plug_share(self, share: DeviceShare) -> None:
        if self.refuses:
            raise DriverError("no slot")
        self.plugged.append(share.tag)

    async def unplug_share(self, tag: str) -> None:
        self.plugged.remove(tag)


class Guest:
    """Runs no script; one whose text has a word of ``fails`` fails."""

    def __init__(self) -> None:
        self.fails = ""
        self.scripts: list[str] = []

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        self.scripts.append(script)
        return (
            CommandResult(1, "", "no") if self.fails and self.fails in script else CommandResult(0, "", "")
        )


class Stream:
    """A reverse-sshfs mount of nothing."""

    def __init__(self) -> None:
        self.open = True
        self.watched = True

    def reconnect_when_broken(self) -> None:
        self.watched = True

    async def stop_reconnecting(self) -> None:
        self.watched = False

    async def close(self) -> None:
        self.open = False


class Agent:
    """What the host agent has, without a machine or a guest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.guest = Machine(), Guest()
        self.sshfs_shares: list[Stream] = []
        self.ready = True
        self.config = config()
        machine: Any = self.machine
        guest: Any = self.guest
        self.shares = Shares(machine, QemuDriver.features, guest)
        self.api = MountsApi(self.shares, lambda: self.config, lambda: self.ready)

        async def mount_sshfs(mount: Mount, _client: object) -> Stream:
            if mount.mount_point == "/refused":
                raise AgentError("mounts: no sshfs.", hint="Install it.")
            self.sshfs_shares.append(Stream())
            return self.sshfs_shares[-1]

        monkeypatch.setattr(shares_room, "mount_sshfs", mount_sshfs)

    def add(
        self, location: Path, point: str, kind: MountType = P9, *, writable: bool = False
    ) -> ActiveMount:
        mount = Mount(location=str(location), mount_point=point, writable=writable)
        return asyncio.run(self.shares.add(mount, kind))

    def remove(self, point: str) -> ActiveMount:
        return asyncio.run(self.shares.remove(point))

    def boot(self, **document: Any) -> None:
        self.config = config(**document)
        self.machine.plugged += [mount_tag(mount) for mount in device_mounts(self.config)]
        asyncio.run(self.shares.mount_configured(self.config))

    def ask(self, method: str, body: Any = None, **query: str) -> Any:
        call = self.api.routes()[method, "/v1/mounts"]

        async def asked() -> object:
            return await call(Request(query, body))

        return asyncio.run(asked())


def config(**document: Any) -> Config:
    ann = Host("linux", "x86_64", 8, 2**34, HostUser("ann", 1001, "Ann", "/home/ann"), "")
    base = {"images": [{"location": "/img.qcow2"}], "mountType": "9p"}
    return effective({**base, **document}, ann, name="web", instance_dir=Path("/h/web"))


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    return Agent(monkeypatch)


def entry(folder: Path, point: str, **more: Any) -> dict[str, Any]:
    return {"location": str(folder), "mountPoint": point, **more}


@pytest.mark.parametrize("kind", [P9, VIRTIOFS])
def test_a_device_comes_and_goes(agent: Agent, tmp_path: Path, kind: MountType) -> None:
    added = agent.add(tmp_path, "/srv", kind, writable=True)
    assert added == ActiveMount(str(tmp_path), "/srv", kind, writable=True, hot=True)
    assert agent.machine.plugged == [mount_tag(Mount(location=str(tmp_path), mount_point="/srv"))]
    assert agent.remove("/srv") == added
    assert (agent.machine.plugged, agent.shares.mounted) == ([], {})


def test_a_stream_comes_and_goes_without_a_slot(agent: Agent, tmp_path: Path) -> None:
    agent.add(tmp_path, "/srv", SSHFS)
    assert (agent.machine.plugged, agent.sshfs_shares[0].open) == ([], True)
    agent.remove("/srv")
    assert not agent.sshfs_shares[0].open
    assert agent.shares.mounted == agent.shares.sshfs_shares == {}


def test_a_mount_point_is_had_once(agent: Agent, tmp_path: Path) -> None:
    agent.add(tmp_path, "/srv")
    with pytest.raises(AgentError, match=r"'/srv' has '/.*' mounted already.*Remove that mount first"):
        agent.add(tmp_path, "/srv", SSHFS)
    assert (len(agent.machine.plugged), agent.sshfs_shares) == (1, [])


def test_a_location_that_is_not_there_is_refused(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(DriverError, match=f"location: '/.*{name}' is not a directory of this host"):
            agent.add(tmp_path / name, "/srv")


def test_a_type_that_no_running_machine_takes_is_refused_with_those_that_it_does(
    agent: Agent, tmp_path: Path
) -> None:
    agent.shares.features = replace(QemuDriver.features, hot_mount_types=frozenset({P9}))
    with pytest.raises(AgentError, match=r"type: virtiofs .* \(allowed: 9p, reverse-sshfs\)"):
        agent.add(tmp_path, "/srv", VIRTIOFS)


def test_when_the_guest_cannot_mount_it_the_device_goes_again(agent: Agent, tmp_path: Path) -> None:
    agent.guest.fails = "mount -t"
    with pytest.raises(AgentError, match="'/srv' cannot be mounted in the guest: no"):
        agent.add(tmp_path, "/srv")
    assert (agent.machine.plugged, agent.shares.mounted) == ([], {})


@pytest.mark.parametrize(("kind", "point"), [(P9, "/srv"), (SSHFS, "/refused")])
def test_what_the_host_refuses_leaves_nothing(
    agent: Agent, tmp_path: Path, kind: MountType, point: str
) -> None:
    agent.machine.refuses = True
    with pytest.raises(CallaoError):
        agent.add(tmp_path, point, kind)
    assert (agent.shares.mounted, agent.shares.sshfs_shares, agent.guest.scripts) == ({}, {}, [])


def test_one_in_use_in_the_guest_stays(agent: Agent, tmp_path: Path) -> None:
    agent.add(tmp_path, "/srv")
    agent.guest.fails = "umount"
    with pytest.raises(AgentError, match="cannot be unmounted"):
        agent.remove("/srv")
    assert (list(agent.shares.mounted), len(agent.machine.plugged)) == (["/srv"], 1)


def test_a_stream_in_use_is_watched_over_again(agent: Agent, tmp_path: Path) -> None:
    agent.add(tmp_path, "/srv", SSHFS)
    agent.guest.fails = "umount"
    with pytest.raises(AgentError, match="cannot be unmounted"):
        agent.remove("/srv")
    assert (agent.sshfs_shares[0].open, agent.sshfs_shares[0].watched) == (True, True)
    assert list(agent.shares.sshfs_shares) == ["/srv"]


def test_what_is_not_there_cannot_be_removed(agent: Agent, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"nothing is mounted at '/x' \(there are: none\)"):
        agent.remove("/x")
    agent.add(tmp_path, "/srv")
    with pytest.raises(AgentError, match=r"\(there are: /srv\)"):
        agent.remove("/x")


def test_a_device_of_the_start_goes_and_comes_like_any_other(agent: Agent, tmp_path: Path) -> None:
    agent.boot(mounts=[entry(tmp_path, "/srv")])
    agent.remove("/srv")
    assert agent.machine.plugged == []
    agent.add(tmp_path, "/srv", writable=True)
    assert len(agent.machine.plugged) == 1
    assert any("mount -t 9p" in script for script in agent.guest.scripts)


def test_all_is_let_go_for_a_moment_and_given_back_in_order(agent: Agent, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    agent.boot(mounts=[entry(tmp_path / "one", "/srv")])
    agent.add(tmp_path / "two", "/srv/two", SSHFS)
    before = dict(agent.shares.mounted)
    gone = asyncio.run(agent.shares.detach())
    assert (agent.machine.plugged, list(agent.shares.mounted)) == ([], [])
    asyncio.run(agent.shares.reattach(gone))
    assert agent.shares.mounted == before
    assert list(agent.shares.mounted) == ["/srv", "/srv/two"]


def test_what_is_given_back_is_tried_again_and_one_failure_does_not_keep_the_others_away(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        agent.add(tmp_path / name, f"/{name}", SSHFS)
    tried: list[str] = []

    async def mount_sshfs(mount: Mount, _client: object) -> Stream:
        tried.append(mount.mount_point)
        if mount.mount_point == "/one" or tried.count("/two") == 1:
            raise AgentError(f"mounts: {mount.mount_point}: no mount within 30 s.")
        return Stream()

    gone = asyncio.run(agent.shares.detach())
    monkeypatch.setattr(shares_room, "mount_sshfs", mount_sshfs)
    with pytest.raises(AgentError, match="/one: no mount"):
        asyncio.run(agent.shares.reattach(gone))
    assert tried == ["/one", "/one", "/one", "/two", "/two", "/three"]
    assert list(agent.shares.mounted) == ["/two", "/three"]


def test_one_that_is_in_use_keeps_all_where_they_are(agent: Agent, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        agent.add(tmp_path / name, f"/{name}")
    agent.guest.fails = "umount -- /one"
    with pytest.raises(AgentError, match="'/one' cannot be unmounted"):
        asyncio.run(agent.shares.detach())
    assert sorted(agent.shares.mounted) == ["/one", "/two"]


def test_a_stream_of_the_start_that_fails_is_a_failed_stage(agent: Agent) -> None:
    with pytest.raises(StageFailed, match="no sshfs") as caught:
        agent.boot(mountType="reverse-sshfs", mounts=[{"location": "/data", "mountPoint": "/refused"}])
    assert caught.value.hint == "Install it."


def test_all_streams_end_with_the_machine(agent: Agent, tmp_path: Path) -> None:
    agent.add(tmp_path, "/a", SSHFS)
    agent.add(tmp_path, "/b", SSHFS)
    asyncio.run(agent.shares.close())
    assert [each.open for each in agent.sshfs_shares] == [False, False]


def test_a_restart_is_needed_for_other_mounts_only(agent: Agent, tmp_path: Path) -> None:
    at_start, more = entry(tmp_path, "/srv"), entry(tmp_path, "/more")
    agent.boot(mounts=[at_start])
    assert agent.shares.match_config(config(mounts=[at_start]))
    assert not agent.shares.match_config(config(mounts=[at_start, more]))
    assert not agent.shares.match_config(config())
    assert not agent.shares.match_config(config(mounts=[{**at_start, "writable": True}]))
    agent.add(tmp_path, "/more")
    assert agent.shares.match_config(config(mounts=[at_start, more]))
    assert agent.shares.match_config(config(mounts=[at_start]))  # it came for now only
    agent.remove("/srv")
    assert not agent.shares.match_config(config(mounts=[at_start]))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, r"POST /v1/mounts: Expected `object`, got `null`"),
        ([], r"POST /v1/mounts: Expected `object`"),
        ({}, r"missing required field `location`"),
        ({"location": "/tmp", "colour": "red"}, r"unknown field `colour`"),
        ({"location": 7}, r"Expected `str`, got `int` - at `\$\.location`"),
        ({"location": "/tmp", "writable": "yes"}, r"Expected `bool`, got `str` - at `\$\.writable`"),
        ({"location": "/tmp", "type": "nfs"}, r"Invalid enum value 'nfs' - at `\$\.type`"),
        ({"location": "/tmp", "mountPoint": "srv"}, r"mountPoint: 'srv' is not absolute"),
        ({"location": "."}, r"location: '\.' is not absolute"),
        ({"location": ".", "mountPoint": "/srv"}, r"location: '\.' is not absolute"),
    ],
)
def test_a_wrong_body_is_one_clear_error(agent: Agent, body: Any, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        agent.ask("POST", body)
    assert (agent.shares.mounted, agent.machine.plugged) == ({}, [])


def test_a_machine_that_is_not_ready_refuses_changes_and_lists(agent: Agent, tmp_path: Path) -> None:
    agent.ready = False
    for method, body in (("POST", {"location": str(tmp_path)}), ("DELETE", {"mountPoint": "/srv"})):
        with pytest.raises(AgentError, match=r"not ready yet\. Wait until it is"):
            agent.ask(method, body)
    assert agent.ask("GET") == []


@pytest.mark.parametrize(
    ("usual", "asked", "kind"),
    [
        ("9p", {}, P9),
        ("virtiofs", {}, VIRTIOFS),
        ("reverse-sshfs", {}, SSHFS),
        ("9p", {"type": "reverse-sshfs"}, SSHFS),
    ],
)
def test_the_type_is_the_machines_own_unless_one_is_named(
    agent: Agent, tmp_path: Path, usual: str, asked: dict[str, str], kind: MountType
) -> None:
    agent.config = config(mountType=usual)
    assert agent.ask("POST", {"location": str(tmp_path), **asked}).type is kind


def test_where_the_machines_own_cannot_come_later_a_stream_can(agent: Agent, tmp_path: Path) -> None:
    agent.shares.features = replace(QemuDriver.features, hot_mount_types=frozenset())
    assert agent.ask("POST", {"location": str(tmp_path)}).type is SSHFS


def test_a_mount_comes_is_listed_and_goes(agent: Agent, tmp_path: Path) -> None:
    added = agent.ask("POST", {"location": str(tmp_path), "writable": True})
    assert (added.mount_point, added.writable, added.hot) == (str(tmp_path), True, True)
    assert agent.ask("GET") == [added]
    assert any("cache=mmap" in script for script in agent.guest.scripts)
    assert agent.ask("DELETE", mountPoint=str(tmp_path)) == added
    assert agent.ask("GET") == []


def test_two_at_once_for_one_point_are_one_and_a_refusal(agent: Agent, tmp_path: Path) -> None:
    add = agent.api.routes()["POST", "/v1/mounts"]
    body = {"location": str(tmp_path), "mountPoint": "/srv"}

    async def both() -> list[Any]:
        return await asyncio.gather(*(add(Request({}, body)) for _ in range(2)), return_exceptions=True)

    first, second = asyncio.run(both())
    assert isinstance(first, ActiveMount)
    assert isinstance(second, AgentError)
    assert len(agent.machine.plugged) == 1
