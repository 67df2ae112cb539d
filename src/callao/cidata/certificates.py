# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the CA certificates that the guest trusts."""

from __future__ import annotations

import re
from pathlib import Path

from callao.config.schema import CACerts
from callao.errors import ConfigError, Problem
from callao.host import expand_user

_MAX_BYTES = 16 * 2**20
_CERTIFICATE = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)
"""RFC 7468, section 5.1, and its historical labels."""


def ca_certificates(config: CACerts) -> list[str]:
    """Each certificate of ``caCerts`` in PEM, without duplicates; bundles are split.

    :raises ConfigError: naming each file that cannot be read and each entry without a certificate.
    """
    problems: list[Problem] = []
    texts: list[tuple[str, str, str]] = []
    for index, name in enumerate(config.files):
        where = f"caCerts.files[{index}]"
        try:
            texts.append((where, name, _text(expand_user(name))))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problems.append(Problem(where, name, f"cannot be read: {reason}", "a PEM file of the host"))
    texts += [(f"caCerts.certs[{index}]", text, text) for index, text in enumerate(config.certs)]
    found: dict[str, None] = {}
    for where, value, text in texts:
        blocks = [_trimmed(match.group()) for match in _CERTIFICATE.finditer(text)]
        if not blocks:
            problems.append(Problem(where, value, "holds no certificate", "-----BEGIN CERTIFICATE----- …"))
        found.update(dict.fromkeys(blocks))
    if problems:
        raise ConfigError(problems)
    return list(found)


def _text(path: Path) -> str:
    """Reads a regular file of limited size, because devices and pipes have no end. A bundle of all
    authorities has a quarter of a megabyte."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError("it is larger than 16 MiB")
    return data.decode(errors="replace")


def _trimmed(block: str) -> str:
    return "\n".join(line.strip() for line in block.splitlines() if line.strip()) + "\n"
