# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a machine whose guest is a real sshd with a /run of its own; root's sudo mounts the ramfs."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from config.test_hostname import config
from support.sshd import Box, Sshd, free_port, keygen

from callao.config import Config
from callao.errors import AgentError, CallaoError
from callao.hostagent.secrets import GuestSecrets, InjectedSecrets, StartingValues
from callao.secrets import SecretValue
from callao.ssh import Client

_OWN_RUN = 'mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec "$@"'
FOLDER = Path("/run/callao/secrets")
USER = "nobody"
BINARY = bytes(range(256)) * 64


class Stage:
    def __init__(self, client: Client, sshd: Sshd, folder: Path) -> None:
        self.client, self.sshd, self.folder = client, sshd, folder
        self.notices: list[str] = []

    def secrets(self, *names: str, values: dict[str, bytes], problems: tuple[str, ...] = ()) -> GuestSecrets:
        starting = StartingValues({name: SecretValue(data) for name, data in values.items()}, problems)
        injected = InjectedSecrets(None, self.client, self.folder)
        return GuestSecrets(self.client, having(*names), starting, asyncio.Lock(), injected)

    def guest(self, *command: str) -> bytes:
        """What a command prints that sees the guest's /run."""
        seen = ["nsenter", "-m", "-t", str(self.sshd.pid), *command]
        return subprocess.run(seen, capture_output=True, check=True).stdout

    def files(self) -> list[str]:
        return self.guest("ls", "-A", str(FOLDER)).decode().split()


def having(*names: str, **more: object) -> Config:
    entries = [{"name": name, **more} for name in names]
    return config(secrets=entries, user={"name": USER}, egress={"allow": ["a.org"]})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    home = tmp_path / "home"
    (home / "_config").mkdir(parents=True)
    authorized = keygen(home / "_config" / "user").with_suffix(".pub")
    prefix = ("unshare", "-m", "sh", "-c", _OWN_RUN, "sh")
    sshd = Sshd(tmp_path / "sshd", free_port(), authorized, prefix=prefix).start()
    folder = Box(home, Sshd).instance("web", sshd)
    try:
        yield Stage(Client(folder / "ssh.config", "lima-web", folder / "ssh.sock"), sshd, folder)
    finally:
        sshd.kill()


def test_the_user_reads_each_value_as_it_is_and_nobody_else_does(stage: Stage) -> None:
    secrets = stage.secrets("a", "b", "c", values={"a": BINARY, "b": b"$(id)'\n"}, problems=("c is gone.",))
    asyncio.run(secrets.put_all(stage.notices.append))
    assert stage.notices == ["c is gone."]
    assert stage.guest("cat", str(FOLDER / "a")) == BINARY
    assert stage.guest("cat", str(FOLDER / "b")) == b"$(id)'\n"
    modes = stage.guest("stat", "-c", "%a %U", str(FOLDER), *(str(FOLDER / each) for each in "ab"))
    assert modes.decode().splitlines() == ["755 root", f"400 {USER}", f"400 {USER}"]
    assert b" ramfs " in stage.guest("grep", str(FOLDER), "/proc/mounts")
    assert [each["given"] for each in secrets.states()] == [True, True, False]


def test_another_value_is_written_once_and_what_is_not_asked_for_goes(stage: Stage) -> None:
    async def act() -> None:
        secrets = stage.secrets("a", "b", values={"a": b"one", "b": b"two"})
        await secrets.put_all(stage.notices.append)
        give: Callable[[str, bytes], Awaitable[bool]] = lambda name, data: secrets.give(  # noqa: E731
            name, SecretValue(data), stage.notices.append
        )
        assert not await give("a", b"one")
        assert secrets.is_new("a", SecretValue(b"three"))
        assert await give("a", b"three")
        assert stage.guest("cat", str(FOLDER / "a")) == b"three"
        with pytest.raises(AgentError, match=r"'c' is not in lima.yaml \(existing: a, b\)"):
            await give("c", b"x")

        await secrets.apply_config(having("b", "c"), stage.notices.append)
        assert stage.files() == ["b"]
        await secrets.apply_config(having("b", env="B"), stage.notices.append)
        assert stage.files() == []
        assert secrets.states() == [{"name": "b", "given": False}]
        assert await give("b", b"four")
        assert stage.files() == ["b"]

    asyncio.run(act())


def test_a_memory_that_has_had_one_is_not_saved(stage: Stage) -> None:
    async def act() -> None:
        secrets = stage.secrets("a", "b", values={"b": b"two"})
        secrets.refuse_save()
        await secrets.put_all(stage.notices.append)
        for names in (("a", "b"), ()):
            await secrets.apply_config(having(*names), stage.notices.append)
            with pytest.raises(AgentError, match="may hold b, which a snapshot would write to the disk"):
                secrets.refuse_save()

    asyncio.run(act())


def test_a_guest_that_refuses_is_told_without_the_value(stage: Stage) -> None:
    stage.guest("mkdir", "-p", "/run/callao")
    stage.guest("touch", str(FOLDER))
    secrets = stage.secrets("a", values={"a": b"hunter2"})
    with pytest.raises(
        CallaoError, match=r"secrets: a: the guest cannot keep it in /run/callao/secrets"
    ) as caught:
        asyncio.run(secrets.put_all(stage.notices.append))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(AgentError, match="may hold a"):
        secrets.refuse_save()


def test_injection_begins_at_a_start_with_rules(stage: Stage) -> None:
    injected = having("a", inject=True, hosts=["a.org"])

    async def act() -> None:
        secrets = stage.secrets(values={})
        await secrets.put_all(stage.notices.append)
        await secrets.apply_config(injected, stage.notices.append)
        secrets.refuse_save()

    asyncio.run(act())
    assert stage.notices == ["secrets: inject takes effect at the next start, with the rules of egress."]
