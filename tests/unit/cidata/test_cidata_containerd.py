# SPDX-License-Identifier: GPL-3.0-or-later
"""containerd's boot scripts, run in a guest's tree with a stand-in for nerdctl's archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from guest_tree import Done, GuestTree

from callao.cidata import CONTAINERD_ARCHIVE, seed_files
from callao.config.schema import Arch, Containerd, File, Provision, ProvisionMode

SETUP = """#!/bin/sh
echo "$(id -un) $1 $CONTAINERD_NAMESPACE $CONTAINERD_SNAPSHOTTER $XDG_RUNTIME_DIR" >>/calls
[ "$1" != install ] || { mkdir -p ~/.config/systemd/user; touch ~/.config/systemd/user/containerd.service; }
"""
NERDCTL = '#!/bin/sh\n[ "$1" != completion ] || echo "# completion of $0"\n'


class Guest(GuestTree):
    """A guest with systemd's commands, whose seed has an archive."""

    @classmethod
    def with_systemd(cls, root: Path) -> Guest:
        tree = cls.make(root, "dash")
        for name in ("systemctl", "sysctl", "loginctl", "apparmor_parser", "iptables", "newuidmap"):
            tree.stub(name)
        tree.stub("fusermount3")
        tree.stub("uname", "echo 6.1.0")
        (root / "calls").touch()
        (root / "calls").chmod(0o666)
        return cls(root)

    def _insert(self, files: dict[str, bytes]) -> None:
        super()._insert(files)
        if not (self.root / "no-systemd").exists():
            (self.root / "run/systemd/system").mkdir(parents=True)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, text in (("nerdctl", NERDCTL), ("containerd-rootless-setuptool.sh", SETUP)):
                member = tarfile.TarInfo(f"bin/{name}")
                member.size, member.mode = len(text), 0o755
                tar.addfile(member, io.BytesIO(text.encode()))
        (self.root / "mnt/lima-cidata" / CONTAINERD_ARCHIVE).write_bytes(archive.getvalue())

    def calls(self) -> list[str]:
        lines = self.text("calls").splitlines()
        (self.root / "calls").write_text("")
        return lines


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest.with_systemd(tmp_path / "guest")


def of(*versions: str, **wanted: bool) -> Containerd:
    digests = [File(location="/n.tgz", arch=Arch.X86_64, digest=f"sha256:{each}") for each in versions]
    return Containerd(archives=tuple(digests), **wanted)


def well(done: Done) -> None:
    assert (done.code, done.failed) == (0, ()), done.output


def test_the_users_own_is_set_up_once_before_the_users_scripts(guest: Guest, make_seed) -> None:
    script = Provision(mode=ProvisionMode.USER, script="#!/bin/sh\necho script >>/calls\n")
    seed = make_seed(containerd=of("a", user=True), provision=(script,))
    well(guest.boot(seed))
    setup = [line for line in guest.calls() if line.startswith(("alice", "script"))]
    in_session = "default overlayfs /run/user/1501"
    assert setup == [
        f"alice install {in_session}",
        f"alice install-buildkit-containerd {in_session}",
        f"alice install-stargz {in_session}",
        "script",
    ]
    assert "stargz" in guest.text("home/alice.guest/.config/containerd/config.toml")
    assert guest.text("etc/subuid") == guest.text("etc/subgid") == "alice:524288:1073741824\n"
    assert "# completion" in guest.text("etc/bash_completion.d/nerdctl")
    before = guest.snapshot()
    well(guest.boot(seed))
    assert [line for line in guest.calls() if line.startswith("alice")] == []
    assert guest.snapshot() == before


def test_the_systems_runs_as_a_service_and_keeps_the_users_configuration(guest: Guest, make_seed) -> None:
    guest.put("etc/buildkit/buildkitd.toml", "mine\n")
    well(guest.boot(make_seed(containerd=of("a", system=True))))
    calls = guest.calls()
    assert calls[-1] == "systemctl enable --now containerd buildkit stargz-snapshotter"
    assert not [line for line in calls if line.startswith("alice")]
    assert "enable_cdi" in guest.text("etc/containerd/config.toml")
    assert guest.text("etc/buildkit/buildkitd.toml") == "mine\n"


def test_another_archive_replaces_the_one_before(guest: Guest, make_seed) -> None:
    well(guest.boot(make_seed(containerd=of("a", user=True))))
    guest.put("usr/local/bin/nerdctl", "#!/bin/sh\nold\n", 0o755)
    guest.calls()
    well(guest.boot(make_seed(containerd=of("b", user=True))))
    calls = [line for line in guest.calls() if "uninstall" in line or "disable" in line]
    assert calls[0] == "systemctl disable --now containerd buildkit stargz-snapshotter"
    assert [line.split()[1] for line in calls[1:]] == [
        "uninstall-buildkit-containerd",
        "uninstall-stargz",
        "uninstall",
    ]
    assert guest.text("usr/local/bin/nerdctl") == NERDCTL


def test_an_old_kernel_has_fuse_overlayfs(guest: Guest, make_seed) -> None:
    guest.stub("uname", "echo 5.4.0-100-generic")
    well(guest.boot(make_seed(containerd=of("a", user=True))))
    assert "alice install-fuse-overlayfs default fuse-overlayfs /run/user/1501" in guest.calls()


def test_a_setup_that_fails_is_named(guest: Guest, make_seed) -> None:
    guest.stub("su", "exit 4")
    done = guest.boot(make_seed(containerd=of("a", user=True)))
    assert done.failed == ("boot.packages/40-containerd.sh",)


def test_without_systemd_it_is_refused(guest: Guest, make_seed) -> None:
    (guest.root / "no-systemd").touch()
    done = guest.boot(make_seed(containerd=of("a", system=True)))
    assert done.failed == ("boot.packages/40-containerd.sh",)
    assert "containerd needs systemd" in done.output


def test_what_the_distribution_lacks_is_installed_unless_the_user_does_it(guest: Guest, make_seed) -> None:
    (guest.root / "bin/newuidmap").unlink()
    (guest.root / "bin/iptables").unlink()
    guest.stub("apt-get")
    well(guest.boot(make_seed(containerd=of("a", user=True))))
    wanted = "apt-get install -y --no-install-recommends iptables uidmap dbus-user-session"
    assert wanted in guest.calls()
    own = Provision(
        mode=ProvisionMode.DEPENDENCY, script="#!/bin/sh\n:\n", skip_default_dependency_resolution=True
    )
    well(guest.boot(make_seed(containerd=of("a", user=True), provision=(own,))))
    assert not [line for line in guest.calls() if line.startswith("apt-get")]


def test_a_plain_guest_and_one_without_containerd_get_nothing(make_seed) -> None:
    for seed in (make_seed(plain=True, containerd=of("a", user=True, system=True)), make_seed()):
        assert not [name for name in seed_files(seed) if "containerd" in name or "nerdctl" in name]
        assert b"CONTAINERD_ARCHIVE" not in seed_files(seed)["lima.env"]


def test_the_seed_names_the_archive_as_limas_does(make_seed) -> None:
    env = seed_files(make_seed(containerd=of("a", user=True)))["lima.env"].decode().splitlines()
    assert "LIMA_CIDATA_CONTAINERD_ARCHIVE=nerdctl-full.tgz" in env
    assert "LIMA_CIDATA_CONTAINERD_USER=1" in env
