# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on another machine's Windows, so that the next instance of one is made without sending it again.

The first instance of an image is made of what the controller sends. Before anything runs in it, WSL exports
it to a file in the folder for the disks, whose digest its own sha256sum(1) tells. An import takes the file
when the distribution of another instance finds that digest again; otherwise the controller sends the image.

Each run writes a file with a name of its own, and the record of it in LIMA_HOME last, so that none meets
half a file. Nothing is kept where the engine is on that Windows itself, which has the image in its cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.atomic import write_file
from callao.drivers.wsl2.carrier import Remote
from callao.drivers.wsl2.places import folder_below, mounted_path
from callao.drivers.wsl2.state import MARKER
from callao.drivers.wsl2.text import decode
from callao.drivers.wsl2.wsl_exe import ROOTFS_SECONDS, Wsl
from callao.errors import DriverError
from callao.flock import exclusive

FILE = Path("_config", "windows-images.json")

_LOCK_SECONDS = 10.0
_KEPT = 3
"""Images; the oldest is removed for another one."""


class Kept(msgspec.Struct, frozen=True):
    """A tar at a path of Windows, and the digest of its content."""

    path: str
    sha256: str


@dataclass(frozen=True)
class ImageCache:
    """One image's, on the Windows of a LIMA_HOME. ``image`` is the digest of its tar."""

    wsl: Wsl
    home: Path
    carrier: Remote
    image: str

    def find(self, reader: str) -> str | None:
        """The path of a whole copy of it; a damaged one is forgotten.

        :param reader: a distribution that can read files of Windows.
        """
        kept = self._records().get(self.image)
        if kept is None:
            return None
        with contextlib.suppress(DriverError):
            if self._digest(reader, kept.path) == kept.sha256:
                return kept.path
        self.forget(reader)
        return None

    def forget(self, reader: str) -> None:
        with self._locked():
            records = self._records()
            kept = records.pop(self.image, None)
            if kept is None:
                return
            self._save(records)
        self._remove(reader, kept)

    def export(self, name: str) -> str:
        """Copy a distribution in which nothing has run; returns the path of Windows.

        :raises DriverError: when it cannot be.
        """
        path = folder_below(self.carrier.disks_home, f"image-{uuid.uuid4().hex}.tar")
        self.wsl.export_to(name, path)
        return path

    def keep(self, path: str, name: str) -> None:
        """Record a copy, of which the distribution makes the digest.

        :raises DriverError: when it cannot read it.
        """
        kept = Kept(path, self._digest(name, path))
        with self._locked():
            records = self._records()
            replaced = records.pop(self.image, None)
            records[self.image] = kept
            old = [replaced] if replaced is not None else []
            while len(records) > _KEPT:
                old.append(records.pop(next(iter(records))))
            self._save(records)
        for each in old:
            self._remove(name, each)

    def _digest(self, reader: str, path: str) -> str:
        argv = ["sha256sum", mounted_path(path)]
        said = decode(self.wsl.execute(reader, argv, seconds=ROOTFS_SECONDS).stdout).split()
        if not said or len(said[0]) != hashlib.sha256().digest_size * 2:
            raise DriverError(f"{path}: sha256sum in {reader} tells no digest.")
        return said[0]

    def _remove(self, reader: str, kept: Kept) -> None:
        with contextlib.suppress(DriverError):
            self.wsl.execute(reader, ["rm", "-f", mounted_path(kept.path)])

    def _locked(self) -> AbstractContextManager[None]:
        path = self.home / FILE.with_suffix(".lock")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return exclusive(path, _LOCK_SECONDS, lambda holder: DriverError(f"{path} is held by {holder}."))

    def _records(self) -> dict[str, Kept]:
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode((self.home / FILE).read_bytes(), type=dict[str, Kept])
        return {}

    def _save(self, records: dict[str, Kept]) -> None:
        write_file(
            self.home / FILE, msgspec.json.format(msgspec.json.encode(records), indent=2) + b"\n", mode=0o600
        )


def image_digest(tar: Path) -> str:
    """The digest of an image; empty for the tar of an instance: those are of one use.

    :raises DriverError: when it cannot be read.
    """
    try:
        with tarfile.open(tar, "r:") as archive:
            if any(each.name.removeprefix("./") == MARKER.lstrip("/") for each in archive):
                return ""
        with tar.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except tarfile.TarError:
        return ""  # WSL says what is wrong with it
    except OSError as error:
        raise DriverError(f"{tar} cannot be read: {error.strerror or error}.") from error
