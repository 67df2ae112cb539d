# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's file tree without a guest: busybox and a shell in a chroot, where the boot scripts really run.

As root, or in a user namespace with the subordinate ids of an ordinary user (see subuid(5)).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from callao.cidata import Seed, seed_files

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nalice:x:1501:1501::/home/alice.guest:/bin/sh\n"
_GROUP = "root:x:0:\nalice:x:1501:\n"
_FOLDERS = ("bin", "binfmt_misc", "dev", "etc/ssh", "home/alice.guest", "mnt", "proc", "root", "run", "tmp",
            "var/lib")  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a boot left in /run/lima-boot-done, and what it printed."""

    code: int
    failed: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class GuestTree:
    """The root of a guest; ``boot`` is what cloud-init does with the seed on each boot."""

    root: Path

    @classmethod
    def make(cls, root: Path, shell: str) -> GuestTree:
        """A tree whose /bin/sh is ``dash`` or ``busybox``, with one user."""
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True)
        tree = cls(root)
        tree.install("busybox")
        listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
        for applet in {"sh", *listed.stdout.split()} - {"busybox"}:
            (root / "bin" / applet).symlink_to("busybox")
        if shell != "busybox":
            (root / "bin/sh").unlink()
            tree.install(shell)
            (root / "bin/sh").symlink_to(shell)
        tree.put("etc/passwd", _PASSWD)
        tree.put("etc/group", _GROUP)
        tree.put("etc/shadow", "root:*:1::::::\nalice:!:1::::::\n")
        tree.put("etc/hosts", "127.0.0.1 localhost\n")
        tree.chroot("/bin/chown", "-R", "alice:alice", "/home/alice.guest")
        return tree

    def install(self, program: str) -> None:
        """Copy a program of this machine and the libraries it needs."""
        source = shutil.which(program)
        assert source, f"{program} is not installed"
        shutil.copy2(source, self.root / "bin" / program)
        linked = subprocess.run(["ldd", source], capture_output=True, text=True, check=False)
        for library in re.findall(r"(/\S+)", linked.stdout) if linked.returncode == 0 else ():
            target = self.root / library.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, target)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the guest's."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def stub(self, program: str, script: str = "") -> None:
        """A program that a busybox tree lacks; it notes how it was called in /calls."""
        body = f'#!/bin/sh\necho "{program} $*" >>/calls\n{script}\n'
        self.put(f"bin/{program}", body, 0o755)

    def text(self, path: str) -> str:
        """What a file of the guest's holds; empty when there is none."""
        target = self.root / path
        return target.read_text() if target.exists() else ""

    def boot(self, seed: Seed) -> Done:
        """One boot: a fresh /run, the early part if the seed has one, then the per-boot script."""
        shutil.rmtree(self.root / "run")
        (self.root / "run").mkdir()
        self._insert(seed_files(seed))
        document = yaml.safe_load(seed_files(seed)["user-data"])
        output = ""
        for command in document.get("bootcmd", ()):
            output += self.chroot(*command)
        per_boot = next(file for file in document["write_files"] if "per-boot" in file["path"])
        self.put(per_boot["path"].removeprefix("/"), per_boot["content"], int(per_boot["permissions"], 8))
        output += self.chroot(per_boot["path"])
        return self._done(output)

    def first_boot(self, seed: Seed) -> Done:
        """One boot of an image without cloud-init: its own units run the seed's first-boot.sh."""
        shutil.rmtree(self.root / "run")
        (self.root / "run/callao").mkdir(parents=True)
        self._insert(seed_files(seed))
        output = "".join(self.chroot("/mnt/lima-cidata/first-boot.sh", stage) for stage in ("early", "late"))
        return self._done(output)

    def _done(self, output: str) -> Done:
        lines = [line.partition("=") for line in self.text("run/lima-boot-done").splitlines()]
        [code] = [value for key, _, value in lines if key == "code"]
        return Done(int(code), tuple(value for key, _, value in lines if key == "failed"), output)

    def snapshot(self) -> dict[str, tuple[int, int, int, str]]:
        """Mode, modification time, owner and text of all that a boot may have written."""
        found = {}
        for folder in ("etc", "home", "root", "bin"):
            for path in (self.root / folder).rglob("*"):
                entry = path.lstat()
                text = path.read_text(errors="replace") if path.is_file() and not path.is_symlink() else ""
                target = str(path.readlink()) if path.is_symlink() else text
                when = entry.st_mtime_ns if stat.S_ISREG(entry.st_mode) else 0
                found[str(path)] = (entry.st_mode, when, entry.st_uid, target)
        return found

    def chroot(self, *argv: str) -> str:
        """Run a command in the tree; returns all that it printed.

        In namespaces of its own: what it does to mounts, the host name and NICs is done to nobody's.
        """
        unshare = ["unshare", "--mount", "--uts", "--net"]
        if os.geteuid() != 0:
            unshare += ["--map-root-user", "--map-auto"]
        # The kernel's table of binfmt_misc is everybody's: what is written to it goes to files of the tree.
        enter = (
            'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && '
            "{ [ ! -d /proc/sys/fs/binfmt_misc ] || "
            'mount --bind "$0/binfmt_misc" "$0/proc/sys/fs/binfmt_misc"; } && exec chroot "$0" "$@"'
        )
        done = subprocess.run(
            [*unshare, "sh", "-c", enter, str(self.root), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            check=False,
        )
        return done.stdout

    def _insert(self, files: dict[str, bytes]) -> None:
        seed = self.root / "mnt/lima-cidata"
        shutil.rmtree(seed, ignore_errors=True)
        for name, data in files.items():
            path = seed / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o500)
        seed.chmod(0o700)
