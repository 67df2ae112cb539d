# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from a guest, a user or a file is mutated at random, and is understood or refused: there
is never an exception that nobody meant. CALLAO_MUTATIONS has more rounds, CALLAO_MUTATION_SEED a seed."""

from __future__ import annotations

import asyncio
import io
import os
import random
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callao.config import effective, load
from callao.errors import CallaoError
from callao.guest.frames import Decoder, FrameError, FrameKind, encode, encode_stream_frame
from callao.guest.streams.window import StreamTarget, unpack_credit, unpack_target
from callao.host import Host, HostUser
from callao.hostagent.api import http
from callao.hostagent.ports.live_ports import _listeners, _ports
from callao.images.cache import cache_entry
from callao.lockfile import unpack
from callao.lockfile.model import Lock, LockedImage, LockedTemplate
from callao.lockfile.text import parse, render
from callao.resolver.decoding import read_query

ROUNDS = int(os.environ.get("CALLAO_MUTATIONS", "300"))
SEED = int(os.environ.get("CALLAO_MUTATION_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")


def mutated(chance: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(5):
            case 0 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                del found[at : at + chance.randrange(1, 20)]
            case 2:
                found[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                other = chance.randrange(len(found) + 1)
                found[at:at] = found[other : other + chance.randrange(1, 60)]
            case 4:
                found[at:at] = chance.choice(
                    [b"\0", b"\xff" * 4, b"[" * 2000, b"1" * 5000, b"\n", b": &a *a"]
                )
    return bytes(found)


def frames(data: bytes) -> None:
    for each in Decoder().feed(data):
        if isinstance(each, dict):
            list(_listeners(each.get("added")))
            list(_ports(each.get("ports")))
        elif each.kind is FrameKind.OPEN:
            unpack_target(each.data)
        elif each.kind is FrameKind.CREDIT:
            unpack_credit(each.data)


def lima_yaml(data: bytes) -> None:
    document = load(data.decode(errors="replace"), "lima.yaml")
    effective(document, HOST, name="web", instance_dir=Path("/h/web"), source="lima.yaml")


def lock(data: bytes) -> None:
    parse(data.decode(errors="replace"), "callao.lock")


def tar(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.tar")
        path.write_bytes(data)
        unpack(path, Path(folder, "home"))


YAML = b"""\
base: []
images: [{location: /x.qcow2, arch: x86_64, digest: "sha256:%s"}]
cpus: 2
memory: 4GiB
mounts: [{location: /a, writable: true, mountPoint: /b}]
portForwards:
- {guestPortRange: [1, 5], hostPortRange: [2, 6], hostIP: 0.0.0.0}
- {guestSocket: /a, hostSocket: b}
provision: [{mode: system, script: "#!/bin/sh"}]
env: {A: b}
param: {}
user: {name: ann}
""" % (b"0" * 64)

IMAGE = "https://x/y.qcow2"
LOCK = render(
    Lock(
        version=1,
        templates={
            "template:default": LockedTemplate(
                digest="sha256:" + "0" * 64,
                images={"x86_64": LockedImage(location=IMAGE, digest="sha256:" + "1" * 64)},
            )
        },
    )
).encode()


def a_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        member = tarfile.TarInfo("callao.lock")
        member.size = len(LOCK)
        made.addfile(member, io.BytesIO(LOCK))
        place = cache_entry(Path(), IMAGE).dir.as_posix()
        for name, text in (("url", IMAGE), ("sha256.digest", "sha256:" + "1" * 64 + "\n")):
            member = tarfile.TarInfo(f"{place}/{name}")
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


FRAMES = (
    encode({"type": "listeners", "added": [["tcp", "0.0.0.0", 80], ["udp", "::1", 53, "v6only"]]})
    + encode_stream_frame(FrameKind.OPEN, 5, StreamTarget("tcp", "127.0.0.1", 80).pack())
    + encode_stream_frame(FrameKind.CREDIT, 5, b"1234")
    + encode({"type": "exposed", "ports": [["tcp", 80]]})
)
QUERY = bytes.fromhex("123401000001000000000001036c6f63066578616d706c6500001c00010000290200000080000000")

KINDS: dict[str, tuple[bytes, Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "frames": (FRAMES, frames, (FrameError, ValueError)),
    "dns": (QUERY, read_query, ()),
    "lima.yaml": (YAML, lima_yaml, (CallaoError,)),
    "lock": (LOCK, lock, (CallaoError,)),
    "tar": (a_tar(), tar, (CallaoError,)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_input_is_understood_or_refused(kind: str) -> None:
    data, read, refusals = KINDS[kind]
    read(data)
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        wrong = mutated(chance, data)
        try:
            read(wrong)
        except refusals:
            pass
        except Exception as error:
            error.add_note(f"seed {SEED}, round {number}: {wrong[:3000]!r}")
            raise


def test_mutated_requests_on_ha_sock_are_answered_or_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def told(request: http.Request) -> object:
        return {"said": request.text("key")}

    async def ask(path: Path, data: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def play(path: Path) -> None:
        unheard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        server = await http.serve(path, {("POST", "/v1/x"): told})
        body = msgspec.json.encode({"key": "value"})
        good = b"POST /v1/x?a=b HTTP/1.1\r\nHost: lima\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        deep = b"POST /v1/x HTTP/1.1\r\nHost: lima\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000
        assert b" 400 " in (await ask(path, deep)).partition(b"\r\n")[0]
        chance = random.Random(SEED)
        for _ in range(ROUNDS):
            await ask(path, mutated(chance, good))
        assert b'{"said":"value"}' in await ask(path, good)
        assert unheard == []
        server.close()

    with tempfile.TemporaryDirectory(prefix="m-", dir="/tmp") as folder:
        asyncio.run(play(Path(folder, "ha.sock")))
    assert "Traceback" not in capsys.readouterr().err, SEED
