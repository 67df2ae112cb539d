# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that is told who it is: files in a tree of their own, nothing of this host."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from callao.guest import identity

OLD, NEW = "0" * 32, "1" * 32
MESSAGE = {
    "type": "become",
    "hostname": "lima-b",
    "machine_id": NEW,
    "instance_id": "iid-b",
    "host_key": "PRIVATE\n",
    "host_key_pub": "ssh-ed25519 AAAA lima-b",
    "entropy": base64.b64encode(b"x" * 64).decode(),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What a guest has that was booted as ``lima-a``."""
    files = {
        "etc/hostname": "lima-a\n",
        "etc/hosts": "127.0.0.1 here\n127.0.1.1 lima-a lima-a.internal\n192.168.5.2 my-lima-a lima-ab",
        "etc/machine-id": f"{OLD}\n",
        "var/lib/cloud/data/instance-id": "iid-a\n",
        "run/cloud-init/.instance-id": "iid-a\n",
        f"run/log/journal/{OLD}/system.journal": "entries",
        "etc/ssh/ssh_host_ed25519_key": "OLD\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "var/lib/cloud/instances/iid-a").mkdir(parents=True)
    (tmp_path / "var/lib/cloud/instances/iid-a/user-data.txt").write_text("data")
    (tmp_path / "var/lib/cloud/instance").symlink_to("instances/iid-a")
    (tmp_path / "proc/net").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been done to the kernel."""
    said: list[Any] = []
    name = ["lima-a"]

    def sethostname(new: str) -> None:
        said.append(new)
        name[0] = new

    monkeypatch.setattr("socket.sethostname", sethostname)
    monkeypatch.setattr("socket.gethostname", lambda: name[0])
    monkeypatch.setattr(identity, "add_entropy", said.append)
    return said


def set_identity(root: Path, **changes: Any) -> dict[str, Any]:
    return dict(identity.set_identity({**MESSAGE, "now": time.time_ns(), **changes}, root))


def test_it_is_another_in_every_place(root: Path, told: list[Any]) -> None:
    assert set_identity(root) == {
        "type": "became",
        "hostname": "lima-b",
        "machine_id": NEW,
        "instance_id": "iid-b",
        "host_key_pub": "ssh-ed25519 AAAA lima-b",
    }
    assert told == [b"x" * 64, "lima-b"]
    assert (root / "etc/hostname").read_text() == "lima-b\n"
    hosts = (root / "etc/hosts").read_text()
    assert hosts.splitlines()[1:] == ["127.0.1.1 lima-b lima-b.internal", "192.168.5.2 my-lima-a lima-ab"]
    key = root / "etc/ssh/ssh_host_ed25519_key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("PRIVATE\n", 0o600)


def test_a_shorter_name_leaves_nothing_of_the_longer_one(root: Path, told: list[Any]) -> None:
    set_identity(root, hostname="b")
    assert (root / "etc/hostname").read_text() == "b\n"
    assert (root / "etc/hosts").read_text().splitlines()[1] == "127.0.1.1 b b.internal"


def test_cloud_init_finds_its_work_done(root: Path, told: list[Any]) -> None:
    set_identity(root)
    assert (root / "var/lib/cloud/instance/user-data.txt").read_text() == "data"
    assert (root / "var/lib/cloud/instance").readlink() == Path("instances/iid-b")
    assert (root / "run/cloud-init/.instance-id").read_text() == "iid-b\n"


def test_the_journal_is_found_under_both_names(root: Path, told: list[Any]) -> None:
    set_identity(root)
    for name in (OLD, NEW):
        assert (root / "run/log/journal" / name / "system.journal").read_text() == "entries"


def test_a_guest_without_cloud_init_or_journal_becomes_another_too(root: Path, told: list[Any]) -> None:
    for name in ("var/lib/cloud", "run"):
        (root / name).rename(root / name.replace("/", "-"))
    assert set_identity(root)["hostname"] == "lima-b"
    assert not (root / "var/lib/cloud").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hostname": None}, "become needs hostname"),
        ({"host_key": 7, "entropy": None}, "become needs host_key, entropy"),
        ({"now": "noon"}, "the clock cannot be set: time needs now"),
        ({"entropy": "not base64!"}, "padding|Incorrect|Only base64"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    root: Path, told: list[Any], changes: dict[str, Any], words: str
) -> None:
    said = set_identity(root, **changes)
    assert list(said) == ["type", "error"]
    assert any(word in said["error"] for word in words.split("|"))


def test_a_disk_that_takes_nothing_is_told(
    root: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _text: str, mode: int = 0o644) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity, "write_text", full)
    assert "No space left" in set_identity(root)["error"]


def stat(root: Path, pid: int, name: str, parent: int) -> None:
    (root / "proc" / str(pid)).mkdir()
    (root / "proc" / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0")


def listening(root: Path, inode: int) -> None:
    line = f"0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {inode} 1"
    (root / "proc/net/tcp").write_text(f"header\n{line}\n")


def test_sshd_is_asked_to_read_its_keys_and_waited_for(
    root: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stat(root, 70, "sshd", 1)
    stat(root, 71, "sshd", 70)
    stat(root, 72, "a) (b", 1)
    listening(root, 1000)
    asked: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, _signal: asked.append(pid))
    looks: list[int] = []

    def rest(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 2:
            (root / "proc/net/tcp").write_text("header\n")
        if len(looks) == 4:
            listening(root, 2000)

    monkeypatch.setattr("time.sleep", rest)
    assert "error" not in set_identity(root)
    assert (asked, len(looks)) == ([70], 4)


@pytest.mark.parametrize(("program", "asked"), [("/usr/lib/openssh/sshd-session", [70]), ("sshd -R", [])])
def test_only_a_sshd_that_keeps_its_keys_is_asked(
    root: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch, program: str, asked: list[int]
) -> None:
    stat(root, 70, "sshd", 1)
    listening(root, 1000)
    (root / "usr/sbin").mkdir(parents=True)
    (root / "usr/sbin/sshd").write_bytes(b"\x7fELF\0" + program.encode() + b"\0")
    said: list[int] = []

    def kill(pid: int, _signal: int) -> None:
        said.append(pid)
        listening(root, 2000)

    monkeypatch.setattr("os.kill", kill)
    assert "error" not in set_identity(root)
    assert said == asked


def test_a_sshd_on_another_port_is_asked_too(
    root: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stat(root, 70, "sshd", 1)
    asked: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, _signal: asked.append(pid))
    assert "error" not in set_identity(root)
    assert asked == [70]


def test_a_sshd_that_keeps_the_old_key_is_told(
    root: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stat(root, 70, "sshd", 1)
    listening(root, 1000)
    monkeypatch.setattr("os.kill", lambda _pid, _signal: None)
    monkeypatch.setattr(identity, "RELOAD_TIMEOUT", 0.05)
    assert set_identity(root)["error"] == "sshd did not read its keys again within 0 s"
