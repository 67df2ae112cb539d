# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes user-data and network-config as files, for images without cloud-init.

Their first-boot system is ``first-boot.sh`` on the seed, which copies most of these files to their
destinations, so that the guest need not parse YAML. Golden images contain this module, too, for seeds made
by other programs, so it imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOLDER = "first-boot"

Document = Mapping[str, Any]


def first_boot_files(user_data: Document, network_config: Document, *, early: bool) -> dict[str, bytes]:
    """The files: path on the seed to content.

    :param user_data: with one user; ``ssh_keys`` may be missing.
    :param early: whether boot.sh has work to do before sshd starts.
    """
    files = {
        f"{FOLDER}/hostname": f"{user_data['hostname']}\n",
        **_host_key(user_data.get("ssh_keys") or {}),
        **_user(user_data["users"][0]),
        **_network(network_config.get("ethernets") or {}),
        **_authorities(user_data.get("ca_certs") or {}),
    }
    if early:
        files[f"{FOLDER}/early"] = ""
    return {path: text.encode() for path, text in files.items()}


def _host_key(keys: Document) -> dict[str, str]:
    if "ed25519_private" not in keys:
        return {}
    path = f"{FOLDER}/ssh_host_ed25519_key"
    return {path: keys["ed25519_private"], f"{path}.pub": keys["ed25519_public"]}


def _user(user: Document) -> dict[str, str]:
    files = {}
    if keys := user.get("ssh_authorized_keys"):
        files[f"{FOLDER}/authorized_keys"] = "".join(f"{key.strip()}\n" for key in keys)
    if rule := user.get("sudo"):
        files[f"{FOLDER}/sudoers"] = f"{user['name']} {rule}\n"
    return files


def _network(ethernets: Document) -> dict[str, str]:
    addresses = {name: nic["match"]["macaddress"].lower() for name, nic in ethernets.items()}
    units = {
        f"{FOLDER}.network/10-callao-{name}.network": _networkd(addresses[name], nic)
        for name, nic in ethernets.items()
    }
    nics = "".join(f"{address} {name}\n" for name, address in addresses.items())
    return {f"{FOLDER}/nics": nics, **units}


def _networkd(address: str, nic: Document) -> str:
    """See systemd.network(5)."""
    servers = (nic.get("nameservers") or {}).get("addresses") or []
    overrides = nic.get("dhcp4-overrides") or {}
    lines = ["[Match]", f"PermanentMACAddress={address}", ""]
    if nic.get("optional"):
        lines += ["[Link]", "RequiredForOnline=no", ""]
    lines.append("[Network]")
    if nic.get("dhcp4"):
        lines.append("DHCP=ipv4")
    lines += [f"DNS={server}" for server in servers]
    lines += ["", "[DHCPv4]"]
    if nic.get("dhcp-identifier") == "mac":
        lines.append("ClientIdentifier=mac")
    if "route-metric" in overrides:
        lines.append(f"RouteMetric={overrides['route-metric']}")
    if overrides.get("use-dns") is False:
        lines.append("UseDNS=no")
    return "\n".join(lines) + "\n"


def _authorities(wanted: Document) -> dict[str, str]:
    certificates = wanted.get("trusted") or []
    files = {f"{FOLDER}.certificates/callao-{index}.crt": text for index, text in enumerate(certificates)}
    if wanted.get("remove_defaults"):
        files[f"{FOLDER}/no-default-certificates"] = ""
    return files
