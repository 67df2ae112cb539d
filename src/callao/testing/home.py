# SPDX-License-Identifier: GPL-3.0-or-later
"""A LIMA_HOME for one run of tests: its own instances, and a cache of warm machines that runs share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from callao.errors import InstanceBusy
from callao.events import Reporter, silent
from callao.flock import exclusive
from callao.host import Host
from callao.instances import instance_names
from callao.instances.process_identity import ProcessIdentity, alive, identify
from callao.instances.records import read_json, write_json
from callao.lifecycle import Request, ensure
from callao.lifecycle.warm.staging import remove_abandoned
from callao.system import UNIX_PATH_MAX
from callao.testing.guest import Guest

_PREFIX = "callao-"
_WITHIN = 60
"""Bytes of a socket's path for the names of the home, of an instance, and of the socket."""
_OWNER = "owner.json"
_LOCK_TIMEOUT = 300.0
"""Seconds to wait for another run that removes the same home: its machines are stopped first."""


@dataclass
class TestHome:
    """The LIMA_HOME of one run. ``path`` is short, because the paths of unix sockets are limited."""

    __test__ = False  # else pytest collects the class by its name

    path: Path
    host: Host = field(default_factory=Host.detect)

    def start_guest(
        self,
        name: str,
        template: str,
        config: Mapping[str, object] | None = None,
        *,
        timeout: float,
        report: Reporter = silent,
    ) -> Guest:
        """Create a guest and wait until it is ready; warm, where an equal one was saved before.

        :param config: lima.yaml content, merged over the template.
        :param timeout: seconds.
        :raises CallaoError: when it does not become ready, with the stage and the reason.
        """
        request = Request(
            name=name, template=template, config=config or {}, timeout=timeout, warm=True,
            labels={"callao.owner": str(self.path)},
        )  # fmt: skip
        ensure(request, home=self.path, host=self.host, check=False, report=report)
        return Guest(name, self.path)

    def remove(self, name: str) -> None:
        """Delete the guest."""
        request = Request(name=name, state="absent", force=True)
        ensure(request, home=self.path, host=self.host, check=False, report=silent)


@contextmanager
def test_home(cache: Path) -> Iterator[TestHome]:
    """Yield a home and remove it with its guests at the end; first remove those of killed runs.

    :param cache: the LIMA_HOME whose ssh key and warm machines are used.
    """
    temporary = short_folder(Path(tempfile.gettempdir()))
    remove_abandoned_homes(temporary)
    home = TestHome(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temporary)))
    try:
        claim(home.path)
        link_cache(home.path, cache)
        yield home
    finally:
        _remove_home(home)


def short_folder(folder: Path) -> Path:
    """A folder for homes whose sockets have room for their names: macOS's TMPDIR has not."""
    usual = Path("/tmp")  # noqa: S108 - each home there is a new folder that only its user can read
    return usual if len(bytes(folder)) + _WITHIN >= UNIX_PATH_MAX and usual.is_dir() else folder


def claim(home: Path) -> None:
    """Record this process as the owner; :func:`remove_abandoned_homes` removes the home once it is gone."""
    write_json(home / _OWNER, identify(os.getpid()))


def link_cache(home: Path, cache: Path) -> None:
    """Have a home use another's ssh key, warm machines, and their base images."""
    for shared in ("_config", "_cache/warm", "_cache/qcow2"):
        (cache / shared).mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / shared).parent.mkdir(exist_ok=True, mode=0o700)
        (home / shared).symlink_to(cache / shared)


def remove_abandoned_homes(temporary: Path) -> None:
    """Remove the homes whose owner process has ended, and no other folders.

    Runs that begin at the same time, as xdist's workers do, remove each home one after the other, by a lock.

    :raises CallaoError: when a home cannot be removed, or another run holds its lock too long.
    """
    for folder in temporary.glob(f"{_PREFIX}*"):
        if not _is_abandoned(folder):
            continue
        with _removal_lock(folder):
            if _is_abandoned(folder):  # and not removed meanwhile by the run that was waited for
                _remove_home(TestHome(folder))


def _is_abandoned(folder: Path) -> bool:
    owner = read_json(folder / _OWNER, ProcessIdentity)
    return owner is not None and not alive(owner)


@contextmanager
def _removal_lock(folder: Path) -> Iterator[None]:
    """Lock a home for its removal.

    The lock file is beside the home and is removed after it. One inside could be created again, and locked,
    while the rest of the home still exists.
    """
    lock = folder.with_name(f".{folder.name}.lock")

    def busy(who: str) -> InstanceBusy:
        return InstanceBusy(
            f"{folder}, which an earlier run of tests has left, is being removed by another run, {who};"
            f" waited {_LOCK_TIMEOUT:.0f} s for it.",
            hint="Wait for that run to end, or remove the folder yourself.",
        )

    with exclusive(lock, _LOCK_TIMEOUT, busy):
        yield
        if not folder.exists():
            lock.unlink(missing_ok=True)


def _remove_home(home: TestHome) -> None:
    for name in instance_names(home.path):
        home.remove(name)
    remove_abandoned(home.path, home.host)
    for each in home.path.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != _OWNER:
            each.unlink()
    shutil.rmtree(home.path)  # with the owner file last: without it no later run would continue the removal


test_home.__test__ = False  # type: ignore[attr-defined]
