# SPDX-License-Identifier: GPL-3.0-or-later
"""``copyToHost``, on folders of this machine in place of a guest's."""

from __future__ import annotations

import asyncio
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callao.config.schema import CopyToHost
from callao.errors import StageFailed
from callao.hostagent.copies import HostCopies, host_copies
from callao.ssh import CommandResult

SUDO = '#!/bin/sh\nshift\nexec "$@"\n'
NO_SUDO = "#!/bin/sh\necho a password is required >&2\nexit 1\n"
CANNOT_READ = '[() { test "$1" != -r && command [ "$@"; }\n'
"""In place of the shell's ``[``: as to a user who is not root."""


class Here:
    """Runs what is for the guest on this machine."""

    def __init__(self, folder: Path, sudo: str = SUDO, before: str = "") -> None:
        (folder / "bin").mkdir()
        program = folder / "bin" / "sudo"
        program.write_text(sudo)
        program.chmod(0o755)
        self.path = f"{program.parent}:/usr/bin:/bin"
        self.before = before

    async def receive(self, script: str, on_data: Callable[[bytes], None], timeout: float) -> CommandResult:
        done = subprocess.run(
            ["bash"],
            input=(self.before + script).encode(),
            env={"PATH": self.path},
            capture_output=True,
            check=False,
        )
        on_data(done.stdout)
        return CommandResult(done.returncode, "", done.stderr.decode())


class Copies:
    """The host's side, with what is shared with the guest."""

    def __init__(self, client: Here, *writable: Path) -> None:
        mounted = {str(each): SimpleNamespace(location=str(each), writable=True) for each in writable}
        shares: Any = SimpleNamespace(mounted=mounted)
        double: Any = client
        self.copies = HostCopies(double, shares)

    def copy(self, *entries: CopyToHost) -> None:
        config: Any = SimpleNamespace(copy_to_host=entries)
        asyncio.run(self.copies.copy_configured(config))

    def stop(self) -> None:
        asyncio.run(self.copies.remove())


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """The guest's file: its name and its bytes need care."""
    folder = tmp_path / "it's the guest's"
    folder.mkdir()
    file = folder / "-kube $(config)"
    file.write_bytes(b"\0\xff\r\nserver\n")
    return file


def test_a_file_is_copied_for_its_owner_alone_and_removed_at_stop(guest: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "copied" / "kubeconfig.yaml"
    kept = tmp_path / "kept"
    kept.symlink_to(tmp_path / "elsewhere")
    copies = Copies(Here(tmp_path))
    copies.copy(
        CopyToHost(guest=str(guest), host=str(target), delete_on_stop=True),
        CopyToHost(guest=str(guest), host=str(kept)),
    )
    assert target.read_bytes() == kept.read_bytes() == guest.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o700
    assert [each.name for each in target.parent.iterdir()] == ["kubeconfig.yaml"]
    assert not kept.is_symlink()  # replaced, not followed
    copies.stop()
    assert not target.exists()
    assert kept.exists()


def test_what_only_root_may_read_is_read_by_sudo(guest: Path, tmp_path: Path) -> None:
    copies = Copies(Here(tmp_path, before=CANNOT_READ))
    copies.copy(CopyToHost(guest=str(guest), host=str(tmp_path / "copy")))
    assert (tmp_path / "copy").read_bytes() == guest.read_bytes()


@pytest.mark.parametrize(
    ("name", "before", "sudo", "words"),
    [
        ("nosuch", "", SUDO, r"copyToHost\[0\]: .*nosuch does not exist in the guest. .*skipIfMissing"),
        ("nosuch", CANNOT_READ, SUDO, "does not exist in the guest"),
        ("nosuch", CANNOT_READ, NO_SUDO, "cannot be read by the guest's user"),
        (".", "", SUDO, "is not a regular file in the guest"),
    ],
)
def test_why_a_file_is_not_copied_is_told(
    name: str, before: str, sudo: str, words: str, guest: Path, tmp_path: Path
) -> None:
    copies = Copies(Here(tmp_path, sudo, before))
    with pytest.raises(StageFailed, match=words) as caught:
        copies.copy(CopyToHost(guest=f"{guest.parent}/{name}", host=str(tmp_path / "copies" / "copy")))
    assert caught.value.stage == "copies"
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_missing_file_may_be_skipped_and_the_users_own_stays(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("mine")
    copies = Copies(Here(tmp_path))
    copies.copy(CopyToHost(guest="/nosuch", host=str(own), skip_if_missing=True, delete_on_stop=True))
    copies.stop()
    assert own.read_text() == "mine"


def test_a_file_without_end_is_refused(guest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_copies, "_MAX_SIZE", 4)
    with pytest.raises(StageFailed, match="is larger than"):
        Copies(Here(tmp_path)).copy(CopyToHost(guest=str(guest), host=str(tmp_path / "copy")))
    assert not (tmp_path / "copy").exists()


def test_no_link_of_the_guest_leads_a_copy_elsewhere(guest: Path, tmp_path: Path) -> None:
    shared, private = tmp_path / "shared", tmp_path / "private"
    private.mkdir()
    (shared / "sub").mkdir(parents=True)
    (shared / "out").symlink_to(private)
    (shared / "file").symlink_to(private / "file")
    (tmp_path / "users").symlink_to("shared/sub")
    copies = Copies(Here(tmp_path), shared)
    with pytest.raises(StageFailed, match="cannot write"):
        copies.copy(CopyToHost(guest=str(guest), host=str(shared / "out" / "file")))
    copies.copy(CopyToHost(guest=str(guest), host=str(shared / "file"), delete_on_stop=True))
    copies.copy(CopyToHost(guest=str(guest), host=str(tmp_path / "users" / "deep" / "er")))
    assert (shared / "file").read_bytes() == (shared / "sub" / "deep" / "er").read_bytes() != b""
    assert list(private.iterdir()) == []
    (private / "file").write_text("mine")
    (shared / "file").unlink()
    copies.stop()
    assert (private / "file").exists()


def test_a_link_of_the_user_into_a_shared_directory_does_not_help_the_guest(
    guest: Path, tmp_path: Path
) -> None:
    shared, private = tmp_path / "shared", tmp_path / "private"
    private.mkdir()
    shared.mkdir()
    (shared / "out").symlink_to("../private")
    (tmp_path / "users").symlink_to(shared / "out")
    with pytest.raises(StageFailed, match="cannot write"):
        Copies(Here(tmp_path), shared).copy(
            CopyToHost(guest=str(guest), host=str(tmp_path / "users" / "file"))
        )
    assert list(private.iterdir()) == []


def test_what_is_in_the_way_on_the_host_is_told(guest: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    copies = Copies(Here(tmp_path))
    for target in (tmp_path / "folder", guest / "below"):
        with pytest.raises(StageFailed, match=r"copyToHost\[0\]: cannot write .* Name another path"):
            copies.copy(CopyToHost(guest=str(guest), host=str(target)))


def test_a_changed_configuration_has_its_new_entries_copied(guest: Path, tmp_path: Path) -> None:
    copies = Copies(Here(tmp_path)).copies
    old = CopyToHost(guest="/nosuch", host=str(tmp_path / "old"))
    new = CopyToHost(guest=str(guest), host=str(tmp_path / "new"))
    before: Any = SimpleNamespace(copy_to_host=(old,))
    after: Any = SimpleNamespace(copy_to_host=(new, old))
    asyncio.run(copies.apply_config(before, after))
    assert (tmp_path / "new").exists()
