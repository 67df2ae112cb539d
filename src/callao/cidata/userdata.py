# SPDX-License-Identifier: GPL-3.0-or-later
"""user-data: the part of the set-up that cloud-init does. It is small, because each step delays the boot.

Some keys disable default work: with our host key, cloud-init generates none; it does not print keys and
fingerprints to the console. ``locale: false`` keeps the image's locale; it is a string, because older
schemas require one.
"""

from __future__ import annotations

from callao.cidata.certificates import ca_certificates
from callao.cidata.document import Document
from callao.cidata.network import nics
from callao.cidata.seed import Seed

HEADING = "#cloud-config\n"

BOOT_SCRIPT = "/var/lib/cloud/scripts/per-boot/00-lima.boot.sh"
"""cloud-init runs the scripts in this folder on every boot; the name is Lima's."""

_CONFIG_MODULES = ("apt-configure", "grub-dpkg", "runcmd")
_FINAL_MODULES = (
    "scripts-vendor",
    "scripts-per-once",
    "scripts-per-boot",
    "scripts-per-instance",
    "scripts-user",
    "final-message",
)
"""The modules of cloud-init's last two stages, in all versions, that act on our seed or on an image's own
files. The others have nothing to do, but cloud-init would load each of them on every boot."""

_HOST_KEY_CONFIG = "/etc/ssh/sshd_config.d/00-lima-host-key.conf"


def user_data(seed: Seed, entry: str, name_nics: str, *, early: bool) -> Document:
    """The cloud-config.

    :param entry: the script that mounts the seed and runs its boot.sh.
    :param name_nics: the script that renames NICs which cloud-init could not rename.
    :param early: whether there is work to do before sshd starts.
    :raises ConfigError: when a certificate is not available.
    """
    config = seed.config
    document: Document = {
        "growpart": {"mode": "auto", "devices": ["/"]},
        "hostname": seed.hostname,
        "fqdn": seed.hostname,
        "manage_etc_hosts": "localhost",
        "locale": "false",
        "users": [_user(seed)],
        "ssh_deletekeys": True,
        "ssh_genkeytypes": ["ed25519"],
        "ssh_keys": {
            "ed25519_private": seed.host_key.rstrip("\n") + "\n",
            "ed25519_public": seed.host_key_pub.strip() + "\n",
        },
        "no_ssh_fingerprints": True,
        "ssh": {"emit_keys_to_console": False},
        "cloud_config_modules": list(_CONFIG_MODULES),
        "cloud_final_modules": [
            *(["package-update-upgrade-install"] if config.upgrade_packages else []),
            *_FINAL_MODULES,
        ],
        "write_files": [
            _file(_HOST_KEY_CONFIG, "HostKey /etc/ssh/ssh_host_ed25519_key\n", "0644"),
            _file(BOOT_SCRIPT, entry, "0755"),
        ],
        "bootcmd": [
            [
                "/bin/sh",
                "-c",
                name_nics,
                "name-nics",
                *(f"{mac}={name}" for name, mac in nics(seed).items()),
            ],
            *([["/bin/sh", "-c", entry, "lima-boot", "early"]] if early else []),
        ],
    }
    if config.upgrade_packages:
        document["package_update"] = True
        document["package_upgrade"] = True
        document["package_reboot_if_required"] = True
    if config.dns:
        document["manage_resolv_conf"] = True
        document["resolv_conf"] = {"nameservers": list(config.dns)}
    authorities = _authorities(seed)
    if authorities:
        document["ca_certs"] = authorities
    return document


def _user(seed: Seed) -> Document:
    user = seed.config.user
    document: Document = {"name": user.name, "uid": user.uid}
    if user.comment:
        document["gecos"] = user.comment
    document |= {"homedir": user.home, "shell": user.shell, "lock_passwd": True}
    if user.passwordless_sudo:
        document["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
    if seed.authorized_keys:
        document["ssh_authorized_keys"] = list(seed.authorized_keys)
    return document


def _authorities(seed: Seed) -> Document:
    wanted = seed.config.ca_certs
    document: Document = {}
    if wanted.remove_defaults:
        document["remove_defaults"] = True
    certificates = ca_certificates(wanted)
    if certificates:
        document["trusted"] = certificates
    return document


def _file(path: str, content: str, permissions: str) -> Document:
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": content}
