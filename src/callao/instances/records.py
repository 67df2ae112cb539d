# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of an instance that only Callao has: JSON files in its folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar

import msgspec

from callao.atomic import write_file
from callao.instances.machine_layout import MachineLayout
from callao.instances.process_identity import ProcessIdentity
from callao.reach import LOOPBACK, Reach

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """callao.json: properties of an instance that are not in its lima.yaml."""

    template: str = ""
    labels: dict[str, str] = {}
    image: str = ""
    """Location of the image that the disk was made from."""
    image_digest: str = ""
    created: float = msgspec.field(default_factory=time.time)
    engine: str = ""
    mac_address: str = ""
    """Of the first NIC, where it is not derived from the folder: a copy of a running machine keeps that of
    its source, so that the guest's DHCP lease stays valid. The user-mode network has no other machine."""

    reclaims: bool = True
    """Whether memory that the guest frees is returned to the host at once; not where copies will map it."""


class ResumeState(msgspec.Struct, frozen=True, kw_only=True):
    """take-up.json: the saved state that the next start resumes from."""

    folder: str
    layout: MachineLayout = msgspec.field(name="shape")
    shared_memory: bool
    """Whether virtiofs requires that the memory is mapped as shared, not by copies of the saved file."""
    disks: dict[str, int] = {}
    """The additional disks that are part of the state, and the slot of each."""
    hostname: str = ""
    instance_id: str = ""
    """The new identity of the guest, as in the seed; empty where the saved machine itself resumes."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a start failed."""

    stage: str
    message: str
    evidence: str = ""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """runtime.json: the last start. Its processes are only valid while they run."""

    agent: ProcessIdentity
    driver: ProcessIdentity | None = None
    ssh_port: int = 0
    """With the next two, the :class:`callao.reach.Reach` of the guest's sshd; 0 until it is known."""
    ssh_address: str = LOOPBACK
    ssh_proxy_command: tuple[str, ...] = ()
    booted: str = ""
    """Fingerprint of the configuration with which the machine was started."""
    ready: bool = False
    failure: Failure | None = None
    timings: dict[str, float] = {}
    """Seconds from the agent's start to the end of each stage."""
    forwards: tuple[tuple[str, str, int, int], ...] = ()
    """The present forwards: (proto, host ip, host port, guest port)."""

    @property
    def reach(self) -> Reach | None:
        """How ssh gets to the guest's sshd; None until that is known."""
        return Reach(self.ssh_port, self.ssh_address, self.ssh_proxy_command) if self.ssh_port else None


def read_json(path: Path, kind: type[T]) -> T | None:
    """The record in ``path``; None when the file is missing, incomplete or of another kind."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def read_record(path: Path) -> tuple[Record, str]:
    """Read callao.json; also returns why it cannot be read, empty where it can or does not exist.

    A label that is a number or a boolean, as earlier versions wrote them, is converted to text.
    """
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if isinstance(raw, dict) and isinstance(raw.get("labels"), dict):
            raw["labels"] = {key: label_text(value) for key, value in raw["labels"].items()}
        return msgspec.convert(raw, Record), ""
    except FileNotFoundError:
        return Record(), ""
    except (OSError, msgspec.MsgspecError) as error:
        return Record(), str(error)


def label_text(value: object) -> object:
    """The text of a scalar, as in YAML; any other value unchanged."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def write_json(path: Path, record: msgspec.Struct) -> None:
    """Write a record, mode 0600, see :func:`callao.atomic.write_file`."""
    write_file(path, json_text(record), mode=0o600)


def json_text(record: msgspec.Struct) -> bytes:
    """The JSON text of a record."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
