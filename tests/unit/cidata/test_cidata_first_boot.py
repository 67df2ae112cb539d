# SPDX-License-Identifier: GPL-3.0-or-later
"""What the seed has for images without cloud-init, and the script that obeys it: run for real, but for the
programs that only a guest has."""

from __future__ import annotations

import pytest
from guest_tree import GuestTree

from callao.cidata import seed_files
from callao.config.schema import CACerts, Network, Provision, ProvisionMode, User

_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"

_WAIT = "lib/systemd/systemd-networkd-wait-online"


@pytest.fixture
def tree(tmp_path) -> GuestTree:
    """Golden images are Debian's, with dash. Busybox's shell would take applets of its own for the stubs."""
    tree = GuestTree.make(tmp_path / "guest", "dash")
    for folder in ("etc/ssh/sshd_config.d", "etc/sudoers.d", "etc/systemd/network"):
        (tree.root / folder).mkdir(parents=True)
    (tree.root / "usr/local/share/ca-certificates").mkdir(parents=True)
    for program in ("hostname", "ip", "useradd", "update-ca-certificates", "ssh-keygen", "systemctl"):
        tree.stub(program)
    tree.put(_WAIT, "#!/bin/sh\necho online >>/calls\n", 0o755)
    nic(tree, "eth0", "52:55:55:aa:bb:cc")
    return tree


def nic(tree: GuestTree, name: str, address: str, *, device: bool = True) -> None:
    tree.put(f"sys/class/net/{name}/address", f"{address}\n")
    if device:
        tree.put(f"sys/class/net/{name}/device", "")


_USERS_SYSTEMD = "systemctl --no-block start user@1501.service"
"""Each boot begins it before the first login."""


def calls(tree: GuestTree) -> list[str]:
    return [
        call
        for call in tree.text("calls").splitlines()
        if not call.startswith("systemctl --no-block start user@")
    ]


def test_a_guest_is_set_up_as_its_seed_says(tree, make_seed):
    assert tree.first_boot(make_seed()).code == 0
    assert tree.text("run/callao/errors") == ""
    assert tree.text("etc/hostname") == "lima-web\n"
    assert tree.text("etc/hosts").splitlines()[:2] == ["127.0.1.1 lima-web", "127.0.0.1 localhost"]
    assert tree.text("etc/ssh/ssh_host_ed25519_key").startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert tree.text("etc/ssh/ssh_host_ed25519_key.pub") == "ssh-ed25519 AAAAhost lima-web\n"
    assert (
        tree.text("etc/ssh/sshd_config.d/00-lima-host-key.conf") == "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    )
    assert tree.text("etc/sudoers.d/90-callao-user") == "alice ALL=(ALL) NOPASSWD:ALL\n"
    assert tree.text("home/alice.guest/.ssh/authorized_keys") == "ssh-ed25519 AAAAuser alice@host\n"
    assert tree.text("calls").splitlines() == ["hostname lima-web", _USERS_SYSTEMD]
    modes = "etc/ssh/ssh_host_ed25519_key", "etc/sudoers.d/90-callao-user", "home/alice.guest/.ssh"
    assert [(tree.root / path).stat().st_mode & 0o777 for path in modes] == [0o600, 0o440, 0o700]
    owners = tree.chroot("/bin/stat", "-c", "%U", "/home/alice.guest/.ssh/authorized_keys")
    assert owners == "alice\n"


def test_the_user_is_made_where_there_is_none(tree, make_seed):
    user = User(name="bob", comment="Bob O'Neill", home="/srv/people/bob", uid=1600)
    (tree.root / "srv/people/bob").mkdir(parents=True)
    tree.stub(
        "useradd",
        "echo bob:x:1600:1600::/srv/people/bob:/bin/sh >>/etc/passwd; echo bob:x:1600: >>/etc/group",
    )
    tree.first_boot(make_seed(user=user))
    [call] = calls(tree)[1:]
    assert call.startswith(
        "useradd --create-home --home-dir /srv/people/bob --uid 1600 --comment Bob O'Neill "
    )
    assert call.endswith(" --shell /bin/bash -- bob")
    tree.first_boot(make_seed(user=user, env={"A": "1"}))
    assert len([call for call in calls(tree) if "useradd" in call]) == 1


def test_a_group_of_the_users_name_becomes_the_users(tree, make_seed):
    tree.put("etc/group", "root:x:0:\ndocker:x:900:\n")
    tree.first_boot(make_seed(user=User(name="docker", comment="", home="/home/docker", uid=1600)))
    assert any("--gid docker -- docker" in call for call in calls(tree))


def test_what_fails_is_told_and_done_again_at_the_next_boot(tree, make_seed):
    user = User(name="bob", comment="", home="/home/bob", uid=1501)
    tree.stub("useradd", "exit 4")
    done = tree.first_boot(make_seed(user=user))
    assert "LIMA| first boot: add_user failed with status 4" in done.output
    assert tree.text("run/callao/errors").splitlines()[0] == "add_user failed with status 4"
    assert tree.text("etc/hostname") == "lima-web\n"
    tree.stub("useradd", "echo bob:x:1501:1501::/home/bob:/bin/sh >>/etc/passwd; mkdir /home/bob")
    tree.put("etc/group", tree.text("etc/group") + "bob:x:1502:\n")
    tree.first_boot(make_seed(user=user))
    assert tree.text("run/callao/errors") == ""


def test_the_next_boot_repeats_nothing_and_a_new_seed_everything(tree, make_seed):
    seed = make_seed()
    tree.first_boot(seed)
    tree.put("etc/hostname", "mine\n")
    tree.first_boot(seed)
    assert tree.text("etc/hostname") == "mine\n"
    tree.first_boot(make_seed(name="other"))
    assert tree.text("etc/hostname") == "lima-other\n"
    assert tree.text("etc/hosts").count("127.0.1.1") == 1


def test_what_may_not_be_on_the_disk_yet_is_done_again_at_the_next_boot(tree, make_seed):
    seed = make_seed()
    tree.stub("sync", "exit 1")
    tree.first_boot(seed)
    tree.put("etc/hostname", "")  # as a kill of the machine leaves it
    tree.first_boot(seed)
    assert tree.text("etc/hostname") == "lima-web\n"


def test_keys_of_the_users_own_stay(tree, make_seed):
    tree.put("home/alice.guest/.ssh/authorized_keys", "ssh-rsa BBBB mine")
    tree.first_boot(make_seed())
    expected = "ssh-rsa BBBB mine\nssh-ed25519 AAAAuser alice@host\n"
    assert tree.text("home/alice.guest/.ssh/authorized_keys") == expected


def test_sudo_goes_with_the_rule(tree, make_seed):
    tree.first_boot(make_seed())
    user = User(name="alice", comment="", home="/home/alice.guest", uid=1501, passwordless_sudo=False)
    tree.first_boot(make_seed(user=user))
    assert not (tree.root / "etc/sudoers.d/90-callao-user").exists()


def test_networkd_finds_each_nic_by_its_address(tree, make_seed):
    tree.put("etc/systemd/network/10-callao-old.network", "")
    nic(tree, "eth1", "52:55:55:00:00:01")
    network = Network(lima="shared", mac_address="52:55:55:00:00:01", interface="lima0", metric=100)
    tree.first_boot(make_seed(networks=(network,), dns=("1.1.1.1", "9.9.9.9")))
    assert tree.text("etc/systemd/network/10-callao-eth0.network") == (
        "[Match]\nPermanentMACAddress=52:55:55:aa:bb:cc\n\n[Network]\nDHCP=ipv4\nDNS=1.1.1.1\nDNS=9.9.9.9\n"
        "\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric=200\nUseDNS=no\n"
    )
    assert "RouteMetric=100\n" in tree.text("etc/systemd/network/10-callao-lima0.network")
    assert not (tree.root / "etc/systemd/network/10-callao-old.network").exists()
    assert calls(tree)[1:] == ["ip link set dev eth1 down", "ip link set dev eth1 name lima0"]


def test_a_nic_that_has_anothers_name_makes_place(tree, make_seed):
    nic(tree, "br0", "52:55:55:aa:bb:cc", device=False)
    nic(tree, "eth0", "52:55:55:00:00:01")
    nic(tree, "eth1", "52:55:55:aa:bb:cc")
    tree.first_boot(make_seed())
    assert calls(tree)[1:] == [
        "ip link set dev eth0 down",
        "ip link set dev eth0 name spare100",
        "ip link set dev eth1 down",
        "ip link set dev eth1 name eth0",
    ]


def test_certificates_are_trusted_once_and_go_with_the_configuration(tree, make_seed):
    authorities = CACerts(certs=(_CERTIFICATE.format("AAAA"), _CERTIFICATE.format("BBBB")))
    tree.first_boot(make_seed(ca_certs=authorities))
    folder = tree.root / "usr/local/share/ca-certificates"
    assert (folder / "callao-1.crt").read_text() == _CERTIFICATE.format("BBBB")
    tree.first_boot(make_seed(ca_certs=authorities))
    assert calls(tree).count("update-ca-certificates ") == 1
    tree.first_boot(make_seed())
    assert calls(tree).count("update-ca-certificates ") == 2
    assert list(folder.iterdir()) == []


def test_default_certificates_can_be_switched_off(tree, make_seed):
    tree.put("etc/ca-certificates.conf", "# a comment\nmozilla/A.crt\n!mozilla/B.crt\n")
    tree.first_boot(make_seed(ca_certs=CACerts(remove_defaults=True)))
    assert tree.text("etc/ca-certificates.conf") == "# a comment\n!mozilla/A.crt\n!mozilla/B.crt\n"


def test_packages_are_upgraded_once_with_the_network_up(tree, make_seed):
    tree.stub("apt-get")
    seed = make_seed(upgrade_packages=True)
    tree.first_boot(seed)
    assert calls(tree)[1:] == [
        "online",
        "apt-get update",
        "apt-get -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold dist-upgrade",
    ]
    tree.first_boot(seed)
    assert calls(tree).count("apt-get update") == 1


def test_a_guest_whose_upgrade_wants_a_reboot_gets_it_before_any_script(tree, make_seed):
    tree.stub("apt-get", ": >/run/reboot-required")
    script = Provision(mode=ProvisionMode.SYSTEM, script="#!/bin/sh\necho ran >>/calls\n")
    seed = make_seed(upgrade_packages=True, provision=(script,))
    with pytest.raises(ValueError, match="not enough values"):
        tree.first_boot(seed)
    assert calls(tree)[-1] == "systemctl reboot"
    assert tree.first_boot(seed).code == 0
    assert calls(tree)[-1] == "ran"


def test_scripts_have_the_network_and_those_of_mode_boot_come_before_it(tree, make_seed):
    note = "#!/bin/sh\necho {} >>/calls\n"
    entries = tuple(
        Provision(mode=ProvisionMode(mode), script=note.format(mode)) for mode in ("system", "boot")
    )
    assert tree.first_boot(make_seed(provision=entries)).code == 0
    assert calls(tree)[1:] == ["boot", "online", "system"]


def test_a_boot_that_need_not_wait_for_the_network_does_not(make_seed):
    files = seed_files(make_seed(param={"internal_netplanOptional": "true"}))
    assert b"[Link]\nRequiredForOnline=no\n" in files["first-boot.network/10-callao-eth0.network"]


def test_the_image_without_cloud_init_needs_no_yaml(make_seed):
    files = seed_files(make_seed())
    assert files["first-boot/nics"] == b"52:55:55:aa:bb:cc eth0\n"
    assert files["first-boot/hostname"] == b"lima-web\n"
    assert "first-boot/early" not in files
