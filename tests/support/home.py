# SPDX-License-Identifier: GPL-3.0-or-later
"""A LIMA_HOME of a test's own, and the golden image that its guests boot from."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from callao.atomic import write_file
from callao.config import dump, load
from callao.events import Event, silent
from callao.host import Host
from callao.instances import instance_names
from callao.lifecycle import Outcome, Request, ensure
from callao.testing import Guest
from callao.testing.home import claim, link_cache, remove_abandoned_homes
from callao.timeline import TimelineFile

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CALLAO_TEST_CACHE", ROOT / ".cache" / "lima-home"))
"""The LIMA_HOME in which the golden image is kept between runs."""


@dataclass(frozen=True)
class Golden:
    """The image that every guest boots from."""

    disk: Path
    kernel: Path
    initrd: Path


@dataclass(frozen=True)
class Home:
    """A LIMA_HOME of the test's own, and the engine on it."""

    path: Path
    golden: Golden
    host: Host
    timeline: TimelineFile | None = None
    """Takes the events of all requests, for a report."""

    def config(self, **extra: Any) -> dict[str, Any]:
        """A small guest from the golden image."""
        return small(self.golden, self.host, **extra)

    def direct(self) -> dict[str, Any]:
        """The golden image, booted without firmware: the quickest way."""
        return direct(self.golden)

    def template(self, **extra: Any) -> str:
        """The same as a template file; returns its path."""
        path = self.path / "template.yaml"
        # Whole or not at all: other threads of a test read it.
        write_file(path, dump(load(json.dumps(self.config(**extra)), "test")).encode())
        return str(path)

    def ensure(
        self, name: str, *, check: bool = False, events: list[Event] | None = None, **request: Any
    ) -> Outcome:
        """Run a request for ``name``; the events go into ``events``."""
        request.setdefault("template", self.template(**request.pop("extra", {})))
        report = events.append if events is not None else silent
        if self.timeline is not None:
            report = self.timeline.reporter(name, report)
        return ensure(
            Request(name=name, **request), home=self.path, host=self.host, check=check, report=report
        )

    def delete(self, name: str) -> None:
        ensure(
            Request(name=name, state="absent"), home=self.path, host=self.host, check=False, report=silent
        )

    def ssh(self, name: str, command: str, timeout: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest as a user would: by the instance's ssh.config alone."""
        return Guest(name, self.path).run(command, timeout=timeout)

    def processes(self) -> list[str]:
        """Command lines of everything that still runs for this home."""
        return [line for _, line in self.running()]

    def running(self) -> Iterator[tuple[psutil.Process, str]]:
        """Each process that has this home, or one inside it, in its command line or as its LIMA_HOME."""
        mine = str(self.path)
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                within = process.environ().get("LIMA_HOME", "").startswith(mine)
            except psutil.Error:
                continue
            if process.pid != os.getpid() and (mine in line or within):
                yield process, line

    def end_all(self) -> list[str]:
        """Kill what still runs for this home; returns the command lines."""
        ended = []
        while found := list(self.running()):
            for process, line in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                    ended.append(line)
            psutil.wait_procs([process for process, _ in found], timeout=10)
        return ended


HOSTS = {"*.box.test": "10.1.2.3", "named.test": "host.lima.internal"}
"""Names that each guest can resolve: as part of all of them, they make no further kind of warm machine."""


def small(golden: Golden, host: Host, **extra: Any) -> dict[str, Any]:
    """A small guest from the golden image; as Molecule's scenarios have it, so that all share a warm one.

    It has one CPU: guests of two, emulated on two cores that two workers share, spin on each other's locks.
    """
    return {
        "images": [{"location": str(golden.disk), "arch": host.arch}],
        "cpus": 1,
        "memory": "1GiB",
        "disk": "6GiB",
        "mountType": "reverse-sshfs",
        "hostResolver": {"hosts": HOSTS},
        **extra,
    }


def direct(golden: Golden, console: str = "ttyS0") -> dict[str, Any]:
    """The golden image, booted without firmware: the quickest way.

    :param console: the machine's serial console: ``ttyAMA0`` on aarch64. Without one the initrd hangs.
    """
    kernel = {"location": str(golden.kernel), "cmdline": f"root=LABEL=root rw console={console} quiet"}
    initrd = {"location": str(golden.initrd)}
    return {"images": [{"location": str(golden.disk), "kernel": kernel, "initrd": initrd}]}


def write_template(golden: Golden, path: Path) -> str:
    """A small guest that boots the quickest way, as a template file; returns its path."""
    document = small(golden, Host.detect(), **direct(golden))
    path.write_text(dump(load(json.dumps(document), "test")))
    return str(path)


def build_golden(
    kernel: str = "cloud",
    *,
    cloud_init: bool = False,
    packages: str = "",
    arch: str = "",
    release: str = "12",
    mirror: str = "",
) -> Golden:
    """A Debian image, built once and kept in the project's cache (content-keyed).

    :param kernel: ``generic`` has 9p, and takes twice as long to boot.
    :param packages: further ones, separated by commas.
    :param arch: lima.yaml's name; this host's by default. Another one takes many times as long to build.
    :param mirror: an archive's URL, whose packages alone the image has then: without security updates.
    """
    argv = [sys.executable, "-m", "callao.golden", "--release", release, "--kernel", kernel]
    argv += ["--cloud-init"] if cloud_init else []
    argv += ["--packages", packages] if packages else []
    argv += ["--arch", arch] if arch else []
    argv += ["--mirror", mirror] if mirror else []
    environment = {**os.environ, "LIMA_HOME": str(CACHE)}
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    said = json.loads(done.stdout)
    return Golden(disk=Path(said["image"]), kernel=Path(said["kernel"]), initrd=Path(said["initrd"]))


def build_stock() -> Golden:
    """As everybody else's images are: with cloud-init, and the kernel that has every driver."""
    # With the tools of all file systems that a guest is asked for, in the one image that is not measured.
    return build_golden("generic", cloud_init=True, packages="btrfs-progs,lvm2,xfsprogs")


@contextmanager
def temporary_home(golden: Golden, cache: Path | None = CACHE) -> Iterator[Home]:
    """A home whose instances are deleted and whose processes are counted at the end.

    It lies right under /tmp: unix sockets have short names.

    :param cache: the LIMA_HOME whose warm machines it has; None for a home with none.
    """
    remove_abandoned_homes(Path("/tmp"))
    folder = Path(tempfile.mkdtemp(prefix="callao-", dir="/tmp"))
    claim(folder)
    if cache is not None:
        link_cache(folder, cache)
    home = Home(folder, golden, Host.detect())
    try:
        yield home
    finally:
        try:
            for name in instance_names(folder):
                home.delete(name)
        finally:
            left = home.end_all()
            shutil.rmtree(folder)
        assert left == []
