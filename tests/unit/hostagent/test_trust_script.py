# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that has a guest trust an authority, in a file tree, with this host's openssl."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from callao.egress.inject.authority import Authority
from callao.hostagent.secrets.trust import trust_script

OTHER = "-----BEGIN CERTIFICATE-----\nanother's\n-----END CERTIFICATE-----\n"


class Tree:
    """Of Debian. Programs that would read the real one's certificates write their name to ``calls``."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self.root, self.folder = folder / "root", folder
        self.certs = self.root / "etc/ssl/certs"
        self.hooks = self.root / "etc/ca-certificates/update.d"
        self.kept = self.root / "usr/local/share/ca-certificates/callao-egress.crt"
        for each in (self.certs, self.hooks, folder / "bin"):
            each.mkdir(parents=True)
        (self.root / "etc/debian_version").touch()
        self.bundle = self.certs / "ca-certificates.crt"
        self.bundle.write_text(OTHER)
        for each in programs:
            program = folder / "bin" / each
            program.write_text(f"#!/bin/sh\necho {each} >>{folder}/calls\n")
            program.chmod(0o755)
        for name in ("sh", "mkdir", "cmp", "cp", "cat", "mv", "ln", "ls", "rm", "openssl"):
            found = shutil.which(name)
            assert found is not None
            (folder / "bin" / name).symlink_to(found)

    def trust(self, authority: Authority) -> int:
        script = trust_script(authority.pem, str(self.root))
        environment = {**os.environ, "PATH": str(self.folder / "bin")}
        return subprocess.run(["sh"], input=script, text=True, env=environment, check=False).returncode

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().split() if file.exists() else []

    def finds(self, authority: Authority) -> bool:
        """By the name's hash, as OpenSSL looks for an issuer."""
        pem = self.folder / "looked-for.pem"
        pem.write_text(authority.pem)
        argv = ["openssl", "verify", "-CApath", str(self.certs), "-no-CAfile", "-no-CAstore", str(pem)]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def authority(folder: Path) -> Authority:
    folder.mkdir(mode=0o700, parents=True)
    return Authority.of(folder)


def test_one_authority_more_is_added_without_reading_the_others(tmp_path: Path) -> None:
    tree, ours = Tree(tmp_path, "update-ca-certificates"), authority(tmp_path / "ours")
    assert tree.trust(ours) == 0
    assert tree.bundle.read_text() == OTHER + ours.pem
    assert tree.bundle.stat().st_mode & 0o777 == 0o644
    assert (tree.kept.read_text(), (tree.certs / "callao-egress.pem").read_text()) == (ours.pem, ours.pem)
    assert tree.finds(ours)
    assert tree.trust(ours) == 0
    assert (tree.bundle.read_text(), tree.calls()) == (OTHER + ours.pem, [])


@pytest.mark.parametrize("why", ["a hook", "another authority before", "no bundle", "another system"])
def test_otherwise_the_guests_own_program_is_asked(tmp_path: Path, why: str) -> None:
    tree, ours = Tree(tmp_path, "update-ca-certificates"), authority(tmp_path / "ours")
    if why == "a hook":
        (tree.hooks / "jks-keystore").touch()
    elif why == "another authority before":
        tree.trust(authority(tmp_path / "before"))
    elif why == "no bundle":
        tree.bundle.unlink()
    else:
        (tree.root / "etc/debian_version").unlink()
    assert tree.trust(ours) == 0
    assert (tree.calls(), tree.kept.read_text()) == (["update-ca-certificates"], ours.pem)
    assert not (tree.certs / "callao-egress.pem").is_symlink()


def test_an_update_that_fails_is_tried_again(tmp_path: Path) -> None:
    tree, ours = Tree(tmp_path, "update-ca-certificates"), authority(tmp_path / "ours")
    tree.bundle.unlink()
    program = tmp_path / "bin/update-ca-certificates"
    works = program.read_text()
    program.write_text("#!/bin/sh\nexit 5\n")
    assert tree.trust(ours) == 1
    program.write_text(works)
    assert (tree.trust(ours), tree.calls()) == (0, ["update-ca-certificates"])


def test_fedoras_program_is_asked_where_there_is_no_other(tmp_path: Path) -> None:
    tree, ours = Tree(tmp_path, "update-ca-trust"), authority(tmp_path / "ours")
    anchors = tree.root / "etc/pki/ca-trust/source/anchors"
    anchors.mkdir(parents=True)
    (tree.root / "etc/debian_version").unlink()
    assert tree.trust(ours) == 0
    assert (tree.calls(), (anchors / "callao-egress.crt").read_text()) == (["update-ca-trust"], ours.pem)


def test_a_guest_without_such_a_program_has_the_certificate_alone(tmp_path: Path) -> None:
    tree, ours = Tree(tmp_path), authority(tmp_path / "ours")
    assert tree.trust(ours) == 3
    assert (tree.root / "run/callao/egress-ca.crt").read_text() == ours.pem
