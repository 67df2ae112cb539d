# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed that was made for cloud-init, such as limactl's, as files for first-boot.sh. Runs in the guest.

    python3 -m callao.golden.first_boot.cloud_config SEED TARGET

What limactl's seeds ask for is honoured; what else there is, is told.
"""

from __future__ import annotations

import base64
import gzip
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from callao.cidata.first_boot import FOLDER, first_boot_files

Document = Mapping[str, Any]

_HONOURED = frozenset({
    "bootcmd", "ca_certs", "growpart", "hostname", "manage_resolv_conf", "mounts", "package_update",
    "package_upgrade", "package_reboot_if_required", "resolv_conf", "ssh_keys", "timezone", "users",
    "write_files",
})  # fmt: skip
"""Keys of user-data. The resolver is systemd's, which gets its servers from the network's configuration."""

_HONOURED_OF_USERS = frozenset(
    {"name", "uid", "gecos", "homedir", "shell", "sudo", "lock_passwd", "ssh_authorized_keys"}
)

_PER_BOOT = """\
#!/bin/sh
for script in /var/lib/cloud/scripts/per-boot/*; do
  [ ! -x "$script" ] || "$script"
done
"""


def translate(user_data: Document, network_config: Document, meta_data: Document) -> dict[str, bytes]:
    """Path on a seed of ours to content.

    :param user_data: normalised.
    """
    user = user_data["users"][0]
    name = str(user["name"])
    variables = {
        "USER": name,
        "UID": str(user["uid"]),
        "COMMENT": str(user.get("gecos") or ""),
        "HOME": str(user.get("homedir") or f"/home/{name}"),
        "SHELL": str(user.get("shell") or "/bin/bash"),
        "UPGRADE_PACKAGES": "1" if user_data.get("package_upgrade") else "",
    }
    exports = "".join(f"export LIMA_CIDATA_{key}={shlex.quote(value)}\n" for key, value in variables.items())
    hostname = user_data.get("hostname") or meta_data["local-hostname"]
    return {
        "meta-data": f"instance-id: {meta_data['instance-id']}\n".encode(),
        "env.sh": exports.encode(),
        "boot.sh": _PER_BOOT.encode(),
        **first_boot_files({**user_data, "hostname": hostname}, network_config, early=False),
        f"{FOLDER}/commands.sh": bootcmd_script(user_data.get("bootcmd") or []).encode(),
    }


def bootcmd_script(listed: list[str | list[str]]) -> str:
    """``bootcmd`` as a shell script: an entry is a command line, or a list of words."""
    lines = [entry if isinstance(entry, str) else shlex.join(map(str, entry)) for entry in listed]
    return "".join(f"{line}\n" for line in ["#!/bin/sh", *lines])


def normalise(document: object) -> dict[str, Any]:
    """With underscores in keys, where older cloud-inits have hyphens."""
    if not isinstance(document, Mapping):
        return {}
    found = {str(key).replace("-", "_"): value for key, value in document.items()}
    found["users"] = [normalise(user) for user in found.get("users") or [] if isinstance(user, Mapping)]
    if not found["users"]:
        del found["users"]
    if "ca_certs" in found:
        found["ca_certs"] = normalise(found["ca_certs"])
    return found


def ignored_keys(user_data: Document) -> list[str]:
    """What of user-data nothing here acts on."""
    users = user_data.get("users") or []
    of_users = {key for user in users for key in user} - _HONOURED_OF_USERS
    return [
        *sorted(user_data.keys() - _HONOURED),
        *(f"users.{key}" for key in sorted(of_users)),
        *(f"users[{index}]" for index in range(1, len(users))),
    ]


def decode_content(entry: Document) -> bytes:
    """The content of an entry of ``write_files``."""
    data = entry.get("content") or ""
    content: bytes = data.encode() if isinstance(data, str) else data
    encoding = str(entry.get("encoding") or "")
    if encoding.endswith(("b64", "base64")):
        content = base64.b64decode(content)
    if encoding.startswith(("gz", "gzip")):
        content = gzip.decompress(content)
    return content


def write_file(entry: Document, root: Path = Path("/")) -> None:
    """One entry of ``write_files``."""
    path = root / str(entry["path"]).lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab" if entry.get("append") else "wb") as file:
        file.write(decode_content(entry))
    path.chmod(int(str(entry.get("permissions") or "0644"), 8))
    owner = str(entry.get("owner") or "root:root")
    if owner != "root:root":
        user, _, group = owner.partition(":")
        shutil.chown(path, user, group or None)


def mount(entry: list[str]) -> None:
    """One entry of ``mounts``: as in fstab(5), for this boot; the next one's seed says it again."""
    source, point, kind, options = (str(field) for field in entry[:4])
    os.makedirs(point, exist_ok=True)  # noqa: PTH103 (as the name has it)
    subprocess.run(["mount", "-t", kind, "-o", options, source, point], check=False)


def set_timezone(name: str, root: Path = Path("/")) -> None:
    zone = root / "usr/share/zoneinfo" / name
    if not zone.is_file():
        sys.stdout.write(f"LIMA| no data for the time zone {name} in this image (package tzdata)\n")
        return
    link = root / "etc/localtime"
    link.unlink(missing_ok=True)
    link.symlink_to(f"/usr/share/zoneinfo/{name}")


def main(seed: Path, target: Path) -> None:
    user_data = normalise(_read(seed / "user-data"))
    network_config, meta_data = _read(seed / "network-config"), _read(seed / "meta-data")
    for key in ignored_keys(user_data):
        sys.stdout.write(f"LIMA| user-data: {key} is not honoured here: it takes an image with cloud-init\n")
    for name, content in translate(user_data, network_config, meta_data).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for entry in user_data.get("write_files") or []:
        write_file(entry)
    for fields in user_data.get("mounts") or []:
        mount(fields)
    if user_data.get("timezone"):
        set_timezone(str(user_data["timezone"]))


def _read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_bytes()) if path.exists() else {}
    return document if isinstance(document, dict) else {}


if __name__ == "__main__":
    os.umask(0o077)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
