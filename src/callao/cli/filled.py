# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template comes to on this host."""

from __future__ import annotations

from collections.abc import Mapping

from callao.cli.session import Session
from callao.config import Config


def filled(run: Session, document: Mapping[str, object], name: str) -> Config:
    """The user's own defaults around ``document``, and every other default filled in.

    :param name: of the instance that would be made from it.
    :raises ConfigError: with every problem of it.
    """
    from callao.access import access_of_environment
    from callao.config import effective
    from callao.templates import layered

    whole = layered(document, run.home, access=access_of_environment())
    return effective(whole, run.host, name=name, instance_dir=run.home / name)
