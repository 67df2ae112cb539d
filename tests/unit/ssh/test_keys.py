# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callao.errors import CallaoError
from callao.ssh import dot_ssh_public_keys, host_key, user_key


def test_the_user_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = user_key(tmp_path)
    assert user_key(tmp_path) == first
    assert first.public.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(first.private.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "_config").stat().st_mode) == 0o700


def test_runs_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        publics = {pair.public for pair in pool.map(lambda _: user_key(tmp_path), range(8))}
    again = user_key(tmp_path)
    (tmp_path / "_config" / "user.pub").unlink()
    assert publics <= {again.public}
    assert user_key(tmp_path).public.split()[1] == again.public.split()[1]
    assert [path.name for path in (tmp_path / "_config").iterdir() if path.name.startswith(".")] == []


def test_a_lost_public_half_is_derived_again(tmp_path: Path) -> None:
    before = host_key(tmp_path / "key", "lima-web")
    (tmp_path / "key.pub").unlink()
    assert host_key(tmp_path / "key", "lima-web").public.split()[:2] == before.public.split()[:2]


def test_a_private_key_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("garbage\n")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(CallaoError, match=r"not a usable private key.*Remove it"):
        host_key(tmp_path / "key", "lima-web")


def test_only_whole_public_keys_of_the_user_are_offered(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYQ me and you"
    (folder / "a.pub").write_text(f"{key}\n")
    (folder / "algorithm.pub").write_text("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIFYQ me\n")
    (folder / "short.pub").write_text("ssh-ed25519 AAAA me\n")
    (folder / "text.pub").write_text("My pub is in Callao, by the harbour.\n")
    (folder / "empty.pub").write_text("\n")
    (folder / "certificate.pub").write_text('command="sh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYQ me\n')
    (folder / "b.pub").write_text("line one\nline two\n")
    (folder / "c").write_text("ssh-ed25519 BBBB private-ish\n")
    assert dot_ssh_public_keys(tmp_path) == (key,)
