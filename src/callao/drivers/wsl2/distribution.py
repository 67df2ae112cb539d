# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution of one instance: made of a tar, exported to one, and unregistered.

Nothing is unregistered but what the instance has claimed, because people have distributions of their own.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from callao.atomic import replacing
from callao.config.defaults import DISK
from callao.drivers.wsl2.carrier import HERE, Carrier, Remote, carrier_for
from callao.drivers.wsl2.disk_size import grow
from callao.drivers.wsl2.image_cache import ImageCache, image_digest
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.refusals import Reason, WslFailed
from callao.drivers.wsl2.state import (
    MARKER,
    Claim,
    claim_of,
    reference_of,
    write_claim,
    write_reference,
)
from callao.drivers.wsl2.text import decode
from callao.drivers.wsl2.wsl_exe import Wsl, is_same
from callao.errors import DriverError
from callao.instances import InstancePaths, instance_names, ssh_alias
from callao.reflink import copy_reflink

_MARK = f'printf "%s\\n" "$1" >{MARKER}'
_LONGEST_MARK = 100
_READ_MARK = f"cat {MARKER} 2>/dev/null || true"


def distribution_name(paths: InstancePaths) -> str:
    """Lima's name for it."""
    return ssh_alias(paths.name)


def distribution_of(paths: InstancePaths) -> Distribution:
    """The distribution, on the Windows of the instance's LIMA_HOME."""
    carrier = carrier_for(paths.dir.parent)
    return Distribution(Wsl(Interop(carrier)), paths, carrier)


def some_distribution(home: Path) -> Distribution | None:
    """One that an instance of a LIMA_HOME has made, to read files of Windows. People's own are left alone.

    :raises DriverError: when WSL does not tell, or when the one that was found is being removed.
    """
    found = (distribution_of(InstancePaths(home / name)) for name in instance_names(home))
    return next((each for each in found if each.is_there()), None)


@dataclass(frozen=True)
class Distribution:
    """Of a stopped instance, whose lock the caller holds."""

    wsl: Wsl
    paths: InstancePaths
    carrier: Carrier = HERE

    @property
    def name(self) -> str:
        return distribution_name(self.paths)

    def is_there(self) -> bool:
        """Whether the instance has made a distribution, and it is registered still."""
        claim = claim_of(self.paths)
        return (
            claim is not None
            and claim.whole
            and self.wsl.has(claim.distribution)
            and self._marker(claim.distribution) == claim.identifier
        )

    def prepare(self, size: int = DISK) -> str:
        """Have the distribution be there as the file ``disk`` wants it, and not run.

        :param size: of its disk, in bytes.
        :returns: a notice about the size, or nothing.
        :raises DriverError: when it cannot be; no unfinished distribution is left.
        """
        reference = reference_of(self.paths.disk)
        if reference is not None and not is_same(reference.distribution, self.name):
            self._rename(reference)
            reference = None
        if reference is None:
            self._install()
        else:
            self._refuse_missing(reference)
        notice = grow(self.wsl, self.name, size)
        if self.wsl.is_running(self.name):
            self.wsl.terminate(self.name)
        return notice

    def export(self, target: Path) -> None:
        """Write the content of the stopped instance to a tar; made whole or not at all.

        :raises DriverError: when it cannot be.
        """
        reference = reference_of(self.paths.disk)
        if reference is None:  # never started since this content was given to it
            copy_tar(self.paths.disk, target)
            return
        self._refuse_missing(reference)
        try:
            with replacing(target) as fresh, fresh.open("xb") as file:
                self.wsl.export(reference.distribution, file)
        except OSError as error:
            raise DriverError(f"{target} cannot be written: {error.strerror or error}.") from error

    def release(self) -> None:
        """Unregister what the instance has claimed, because the instance is being removed.

        :raises DriverError: when it is still there.
        """
        claim = claim_of(self.paths)
        if claim is not None:
            self._unregister(claim)
            self.paths.wsl2_json.unlink(missing_ok=True)

    def _install(self) -> None:
        former = claim_of(self.paths)
        if former is not None:
            self._unregister(former)
        if self.wsl.has(self.name):
            raise DriverError(
                f"instance {self.paths.name!r}: WSL has a distribution {self.name} already, which this "
                "instance has not made.",
                hint=f"Choose another name, or remove that one: wsl.exe --unregister {self.name}",
            )
        claim = Claim(self.name, str(uuid.uuid4()))
        folder = self.carrier.disks(os.environ, self.name)
        write_claim(self.paths, claim)
        cache, exported = None, ""
        try:
            cache = self.cache()
            if cache is None or not self._install_copy(cache, folder):
                with self.paths.disk.open("rb") as rootfs:
                    self.wsl.install(self.name, folder, rootfs)
                if cache is not None:
                    with contextlib.suppress(DriverError):  # the next instance is made without it, too
                        exported = cache.export(self.name)
            self.wsl.execute(self.name, ["/bin/sh", "-c", _MARK, "sh", claim.identifier])
        except BaseException as error:
            if isinstance(error, WslFailed) and error.reason is Reason.EXISTS:
                self.paths.wsl2_json.unlink(missing_ok=True)  # another program was quicker: it is not ours
            else:
                with contextlib.suppress(DriverError):  # otherwise the next start does it, by the claim
                    self.wsl.unregister(self.name)
                    self.paths.wsl2_json.unlink(missing_ok=True)
            raise
        whole = Claim(claim.distribution, claim.identifier, whole=True)
        write_claim(self.paths, whole)
        write_reference(self.paths.disk, whole)
        if cache is not None and exported:
            with contextlib.suppress(DriverError):
                cache.keep(exported, self.name)

    def cache(self) -> ImageCache | None:
        """None where the engine is on that Windows, and has a cache itself, or for an image of one use."""
        if not isinstance(self.carrier, Remote):
            return None
        image = image_digest(self.paths.disk)
        return ImageCache(self.wsl, self.paths.dir.parent, self.carrier, image) if image else None

    def _install_copy(self, cache: ImageCache, folder: str) -> bool:
        """Make it of a copy of the image that is on Windows; whether there is one."""
        reader = None
        with contextlib.suppress(DriverError):
            reader = some_distribution(self.paths.dir.parent)
        if reader is None or (copy := cache.find(reader.name)) is None:
            return False
        try:
            self.wsl.install_copy(self.name, folder, copy)
        except WslFailed as error:
            if error.reason is Reason.EXISTS:
                raise
            cache.forget(reader.name)
            if self.wsl.has(self.name):
                self.wsl.unregister(self.name)
            return False
        return True

    def _rename(self, reference: Claim) -> None:
        """Take the content of the distribution with the instance's former name: WSL renames none."""
        self._refuse_missing(reference)
        with replacing(self.paths.disk) as fresh, fresh.open("xb") as file:
            self.wsl.export(reference.distribution, file)

    def _unregister(self, claim: Claim) -> None:
        """Remove the distribution, unless it is another one of the same name by now."""
        if not self.wsl.has(claim.distribution):
            return
        if claim.whole and (activity := self.wsl.activity(claim.distribution)):
            raise _busy(claim.distribution, activity)
        try:
            found = self._marker(claim.distribution)
        except WslFailed as error:
            if claim.whole or error.reason is Reason.NO_SESSION:
                raise
            found = ""  # an import that ended early may have left one that does not start
        if found == claim.identifier or (not found and not claim.whole):
            self.wsl.unregister(claim.distribution)

    def _refuse_missing(self, reference: Claim) -> None:
        name = reference.distribution
        if not self.wsl.has(name):
            raise DriverError(
                f"instance {self.paths.name!r}: its distribution {name} is not registered in WSL any more: "
                "its disk is lost.",
                hint="Restore a snapshot of the instance, or reset it: callao factory-reset "
                + self.paths.name,
            )
        if activity := self.wsl.activity(name):
            raise _busy(name, activity)
        found = self._marker(name)
        if found != reference.identifier:
            raise DriverError(
                f"instance {self.paths.name!r}: the distribution {name} is another one than the instance "
                f"has made: {MARKER} in it has {found or 'nothing'!r}.",
                hint="Rename or unregister that one, and restore a snapshot of the instance, or reset it.",
            )

    def _marker(self, name: str) -> str:
        """What the distribution says of itself; empty when it was never finished, or is no instance's."""
        answer = self.wsl.execute(name, ["/bin/sh", "-c", _READ_MARK])
        return decode(answer.stdout[:_LONGEST_MARK]).strip()


def _busy(name: str, activity: str) -> DriverError:
    return DriverError(
        f"the distribution {name} is not to be had: WSL says that it is {activity.lower()}.",
        hint="Try again when that has ended.",
    )


def copy_tar(source: Path, target: Path) -> None:
    """:raises DriverError: when it cannot be copied."""
    try:
        with replacing(target) as fresh:
            copy_reflink(source, fresh)
    except OSError as error:
        raise DriverError(f"{source} cannot be copied to {target}: {error.strerror or error}.") from error
