# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for Docker's apt repository and for nerdctl's archive, served to guests by this host.

Their packages have the names, versions and conflicts of the real ones. Their programs are links to those of
the distribution, which the guest keeps in a folder of its own.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST_ADDRESS = "192.168.5.2"
"""This host, as the guest sees it."""

KEPT = "/opt/distribution"
"""The guest's folder with the distribution's programs, which its packages do not own."""

_PROGRAMS = (
    "dockerd docker docker-proxy docker-init containerd ctr containerd-shim-runc-v2 runc rootlesskit "
    "rootlesskit-docker-proxy"
)

KEEP = f"""
mkdir {KEPT}
cp --link --dereference $(which {_PROGRAMS}) /usr/share/docker.io/contrib/dockerd-rootless.sh {KEPT}
rm -r /etc/apt/sources.list*
mkdir /etc/apt/sources.list.d
"""
"""Commands of the guest's root."""

_START = """#!/bin/sh
set -e
getent group docker >/dev/null || groupadd --system docker
for unit in {units}; do
  deb-systemd-helper unmask $unit >/dev/null
  if deb-systemd-helper --quiet was-enabled $unit; then
    deb-systemd-helper enable $unit >/dev/null
  else
    deb-systemd-helper update-state $unit >/dev/null
  fi
done
systemctl daemon-reload
deb-systemd-invoke start {units}
"""
"""As debhelper has a package do it."""

_DOCKER = f"""[Unit]
Requires=docker.socket
Wants=containerd.service
After=docker.socket containerd.service
[Service]
Type=notify
ExecStart={KEPT}/dockerd --host=fd:// --containerd=/run/containerd/containerd.sock
Delegate=yes
KillMode=process
[Install]
WantedBy=multi-user.target
"""

_SOCKET = """[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketGroup=docker
[Install]
WantedBy=sockets.target
"""

_CONTAINERD = """[Service]
Type=notify
ExecStart={program}
Delegate=yes
KillMode=process
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class _Package:
    name: str
    version: str
    relations: str = ""
    links: tuple[str, ...] = ()
    """Of :data:`KEPT`, in /usr/bin."""
    units: tuple[tuple[str, str], ...] = ()


def _packages() -> Iterator[_Package]:
    for number in ("28.5.1", "28.5.2"):
        version = f"5:{number}-1~debian.12~bookworm"
        yield _Package(
            "docker-ce",
            version,
            "Depends: containerd.io, docker-ce-cli, iptables\nConflicts: docker.io\n",
            ("dockerd", "docker-proxy", "docker-init"),
            (("docker.service", _DOCKER), ("docker.socket", _SOCKET)),
        )
        yield _Package("docker-ce-cli", version, "Conflicts: docker.io, docker-cli\n", ("docker",))
        yield _Package(
            "docker-ce-rootless-extras",
            version,
            "Depends: dbus-user-session\n"
            "Conflicts: rootlesskit\nReplaces: rootlesskit\nBreaks: rootlesskit\n",
            ("dockerd-rootless.sh", "rootlesskit", "rootlesskit-docker-proxy"),
        )
    yield _Package(
        "containerd.io",
        "1.7.28-1~debian.12~bookworm",
        "".join(f"{each}: containerd, runc\n" for each in ("Provides", "Conflicts", "Replaces")),
        ("containerd", "ctr", "containerd-shim-runc-v2", "runc"),
        (("containerd.service", _CONTAINERD.format(program="/usr/bin/containerd")),),
    )
    yield _Package("docker-buildx-plugin", "0.29.1-1~debian.12~bookworm")
    yield _Package("docker-compose-plugin", "2.40.3-1~debian.12~bookworm")


def _build(package: _Package, staging: Path, pool: Path) -> Path:
    """The package as a file."""
    tree = staging / f"{package.name}-{package.version.replace(':', '_')}"
    control = f"Package: {package.name}\nVersion: {package.version}\nArchitecture: all\n{package.relations}"
    files = {"DEBIAN/control": f"{control}Maintainer: A test <test@example.com>\nDescription: A stand-in\n"}
    files |= {f"lib/systemd/system/{name}": text for name, text in package.units}
    if package.units:
        files["DEBIAN/postinst"] = _START.format(units=" ".join(name for name, _ in package.units))
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        (tree / name).chmod(0o755 if name == "DEBIAN/postinst" else 0o644)
    for link in package.links:
        (tree / "usr/bin").mkdir(parents=True, exist_ok=True)
        (tree / "usr/bin" / link).symlink_to(f"{KEPT}/{link}")
    target = pool / f"{tree.name}.deb"
    argv = ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", str(tree), str(target)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return target


def _index(package: Path, root: Path) -> str:
    """What apt reads of a package."""
    control = subprocess.run(
        ["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True
    )
    data = package.read_bytes()
    place = f"Filename: {package.relative_to(root)}\nSize: {len(data)}\n"
    return f"{control.stdout}{place}SHA256: {hashlib.sha256(data).hexdigest()}\n\n"


def _sign(text: Path, key: Path, keyring: Path) -> None:
    """Sign the file with a new key, as InRelease beside it."""
    keyring.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(keyring), "--batch", "--quiet", "--passphrase", ""]
    try:
        subprocess.run([*gpg, "--quick-generate-key", "A test", "ed25519", "sign", "never"], check=True)
        signed = str(text.with_name("InRelease"))
        subprocess.run([*gpg, "--clear-sign", "--output", signed, str(text)], check=True)
        subprocess.run([*gpg, "--armor", "--output", str(key), "--export"], check=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keyring), "--kill", "gpg-agent"], check=True)


def _repository(root: Path, staging: Path) -> None:
    """For Debian 12, with the key in the file gpg."""
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    pool, dist = root / "pool", root / "dists/bookworm"
    index = dist / f"stable/binary-{architecture}/Packages"
    for folder in (pool, index.parent, staging):
        folder.mkdir(parents=True)
    index.write_text("".join(_index(_build(each, staging, pool), root) for each in _packages()))
    data = index.read_bytes()
    (dist / "Release").write_text(
        f"Suite: bookworm\nCodename: bookworm\nComponents: stable\nArchitectures: {architecture}\n"
        f"Date: {formatdate(usegmt=True).replace('GMT', 'UTC')}\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} {index.relative_to(dist)}\n"
    )
    _sign(dist / "Release", root / "gpg", staging / "keys")


def _archive() -> bytes:
    """nerdctl's archive, with a unit and links."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name in ("containerd", "ctr", "containerd-shim-runc-v2", "runc", "rootlesskit"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, f"{KEPT}/{name}"
            tar.addfile(link)
        unit = _CONTAINERD.format(program="/usr/local/bin/containerd").encode()
        file = tarfile.TarInfo("lib/systemd/system/containerd.service")
        file.size, file.mode = len(unit), 0o644
        tar.addfile(file, io.BytesIO(unit))
    return made.getvalue()


def digest(path: Path) -> str:
    """As a checksum is written."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@dataclass(frozen=True)
class Upstream:
    """What is served."""

    url: str
    """Of the repository, below which each distribution has a folder."""
    key: Path
    archive: Path
    archive_url: str


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


@contextmanager
def served_upstream(folder: Path) -> Iterator[Upstream]:
    """Make both, and serve them until the end."""
    root = folder / "served"
    _repository(root / "linux/debian", folder / "staging")
    archive = root / "nerdctl-full-2.3.5-linux-amd64.tar.gz"
    archive.write_bytes(_archive())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://{HOST_ADDRESS}:{server.server_address[1]}"
        try:
            yield Upstream(f"{base}/linux", root / "linux/debian/gpg", archive, f"{base}/{archive.name}")
        finally:
            server.shutdown()
