# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that the guest is to trust."""

from __future__ import annotations

import re

from callao.config.schema import CACerts
from callao.errors import ConfigError, Problem
from callao.host import expanded

_CERTIFICATE = re.compile(r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)
"""RFC 7468, section 5.1, and its historical labels."""


def trusted(config: CACerts) -> list[str]:
    """Each certificate of ``caCerts``, in PEM, once; bundles are taken apart.

    :raises ConfigError: naming each file that cannot be read and each entry without a certificate.
    """
    problems: list[Problem] = []
    texts: list[tuple[str, str, str]] = []
    for index, name in enumerate(config.files):
        where = f"caCerts.files[{index}]"
        try:
            texts.append((where, name, expanded(name).read_text(encoding="utf-8", errors="replace")))
        except OSError as error:
            problems.append(
                Problem(where, name, f"cannot be read: {error.strerror}", "a PEM file of the host")
            )
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


def _trimmed(block: str) -> str:
    return "\n".join(line.strip() for line in block.splitlines() if line.strip()) + "\n"
