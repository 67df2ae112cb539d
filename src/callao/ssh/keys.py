# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs, made by ssh-keygen: the user's one for all instances, and a host key for each."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from callao.atomic import put_in_place, sync_file
from callao.errors import CallaoError
from callao.host import identity_file


@dataclass(frozen=True)
class KeyPair:
    """``private`` is a path, mode 0600; ``public`` is the one line of its .pub file."""

    private: Path
    public: str


def user_key(home: Path) -> KeyPair:
    """Lima's identity for all instances; made on first use.

    :raises CallaoError: when ssh-keygen is missing or fails.
    """
    path = identity_file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _ensure(path, comment="lima")


def host_key(path: Path, comment: str) -> KeyPair:
    """The guest's host key at ``path``; we choose it, so we know it before the first connection.

    :raises CallaoError: when ssh-keygen is missing or fails.
    """
    return _ensure(path, comment=comment)


def dot_ssh_public_keys(home: Path) -> tuple[str, ...]:
    """Every public key in the user's ``~/.ssh``, for ``ssh.loadDotSSHPubKeys``; other files are passed over:
    one bad line of authorized_keys is a reason to distrust all of it.
    """
    lines = []
    for path in sorted((home / ".ssh").glob("*.pub")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # a link that leads nowhere, or a key that is somebody else's
            continue
        if _is_public_key(text):
            lines.append(text)
    return tuple(lines)


def _is_public_key(text: str) -> bool:
    """Whether it is one line ``ALGORITHM BASE64 [COMMENT]`` whose data name the same algorithm (RFC 4253,
    section 6.6; RFC 4251, section 5: a string is its length in four bytes, and its bytes).
    """
    algorithm, _, rest = text.partition(" ")
    try:
        data = base64.b64decode(rest.partition(" ")[0], validate=True)
    except ValueError:
        return False
    name = data[4 : 4 + int.from_bytes(data[:4], "big")]
    return "\n" not in text and algorithm != "" and name == algorithm.encode()


def _ensure(path: Path, comment: str) -> KeyPair:
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        _generate(path, public, comment)
    return KeyPair(private=path, public=public.read_text(encoding="ascii").strip())


def _generate(path: Path, public: Path, comment: str) -> None:
    """Make the pair in a staging directory and link it into place; a second run at once uses the first's."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise CallaoError("ssh-keygen is not on PATH.", hint="Install the OpenSSH client.")
    with tempfile.TemporaryDirectory(prefix=".key.", dir=path.parent) as folder:
        fresh = Path(folder) / "key"
        argv = [program, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(fresh)]
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise CallaoError(
                f"ssh-keygen could not make {path}: {done.stderr.strip() or done.stdout.strip()}"
            )
        sync_file(fresh)
        try:
            os.link(fresh, path)
        except FileExistsError:
            fresh = _public_of(program, path, Path(folder) / "existing")
        put_in_place(Path(str(fresh) + ".pub"), public)


def _public_of(program: str, private: Path, stem: Path) -> Path:
    """A private key whose .pub got lost: derive it again."""
    argv = [program, "-y", "-f", str(private)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise CallaoError(
            f"{private} is not a usable private key: {done.stderr.strip()}",
            hint="Remove it, and it is made anew.",
        )
    Path(str(stem) + ".pub").write_text(done.stdout, encoding="ascii")
    return stem
