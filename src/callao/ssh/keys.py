# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes key pairs by ssh-keygen: the user's, which is the same for all instances, and each instance's host
key.
"""

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
    """The user's key pair for all instances, with Lima's path; generated on first use.

    :raises CallaoError: when ssh-keygen is missing or fails.
    """
    path = identity_file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _ensure_key_pair(path, comment="lima")


def host_key(path: Path, comment: str) -> KeyPair:
    """The guest's host key at ``path``. It is generated on the host, so that it is known before the first
    connection.

    :raises CallaoError: when ssh-keygen is missing or fails.
    """
    return _ensure_key_pair(path, comment=comment)


def dot_ssh_public_keys(home: Path) -> tuple[str, ...]:
    """Every public key in the user's ``~/.ssh``, for ``ssh.loadDotSSHPubKeys``. Files that are not one
    public key are skipped, so that authorized_keys has no invalid line.
    """
    lines = []
    for path in sorted((home / ".ssh").glob("*.pub")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # a broken symbolic link, or a file that this user cannot read
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


def _ensure_key_pair(path: Path, comment: str) -> KeyPair:
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        _generate(path, public, comment)
    return KeyPair(private=path, public=public.read_text(encoding="ascii").strip())


def _generate(path: Path, public: Path, comment: str) -> None:
    """Generate the pair in a staging directory, and link it into place. If two runs do so at once, both use
    the key of the first.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise CallaoError("ssh-keygen is not on PATH.", hint="Install the OpenSSH client.")
    with tempfile.TemporaryDirectory(prefix=".key.", dir=path.parent) as folder:
        new = Path(folder) / "key"
        argv = [program, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new)]
        result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if result.returncode != 0:
            raise CallaoError(
                f"ssh-keygen could not make {path}: {result.stderr.strip() or result.stdout.strip()}"
            )
        sync_file(new)
        try:
            os.link(new, path)
        except FileExistsError:
            new = _derive_public_key(program, path, Path(folder) / "existing")
        put_in_place(Path(str(new) + ".pub"), public)


def _derive_public_key(program: str, private: Path, stem: Path) -> Path:
    """Derive the public key again from a private key whose .pub file is missing."""
    argv = [program, "-y", "-f", str(private)]
    result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        raise CallaoError(
            f"{private} is not a usable private key: {result.stderr.strip()}",
            hint="Remove it, and it is made anew.",
        )
    Path(str(stem) + ".pub").write_text(result.stdout, encoding="ascii")
    return stem
