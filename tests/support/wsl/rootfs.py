# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems for distributions: a small one of busybox alone, and a Debian with sshd."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from callao.flock import exclusive

_APPLETS = (
    "sh",
    "cat",
    "tar",
    "mkdir",
    "rm",
    "mv",
    "sleep",
    "id",
    "sync",
    "printf",
    "hostname",
    "test",
    "ls",
    "base64",
    "sha256sum",
    "tr",
)
_PACKAGES = ("openssh-server", "sudo")
_UNUSED = "usr/share/perl usr/lib/*/perl usr/lib/*/gconv usr/share/perl5 var/cache/apt var/cache/debconf"
"""What the packages bring and no test uses: each test reads and writes all files several times."""
_SUITE = "bookworm"


def small(path: Path) -> Path:
    """A tar with busybox, which has the programs that the engine needs before the boot scripts."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "install busybox-static"
    with tarfile.open(path, "w") as archive:
        for name in ("bin", "etc", "tmp", "root", "mnt", "dev", "proc", "run"):
            folder = tarfile.TarInfo(f"./{name}")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        archive.add(busybox, "./bin/busybox")
        for name in _APPLETS:
            link = tarfile.TarInfo(f"./bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        passwd = b"root:x:0:0:root:/root:/bin/sh\n"
        entry = tarfile.TarInfo("./etc/passwd")
        entry.size = len(passwd)
        archive.addfile(entry, io.BytesIO(passwd))
    return path


def debian(cache: Path, *others: str) -> Path:
    """A tar by mmdebstrap, made once.

    :param others: packages besides those that every instance needs.
    """
    packages = [*_PACKAGES, *others]
    recipe = [_SUITE, *packages, _UNUSED]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]
    target = cache / "_wsl" / f"{_SUITE}-{key}.tar"
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.with_suffix(".lock"), 900.0, lambda who: TimeoutError(who), lambda who: None):
        if not target.exists():
            fresh = target.with_suffix(".new")
            mode = "root" if os.geteuid() == 0 else "unshare"
            subprocess.run(
                ["mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(packages)}",
                 "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
                 "--dpkgopt=path-exclude=/usr/share/locale/*",
                 f"--customize-hook=cd \"$1\" && rm -rf {_UNUSED}",
                 "--format=tar", _SUITE, str(fresh)],
                check=True,
                capture_output=True,
            )  # fmt: skip
            fresh.rename(target)
    return target
