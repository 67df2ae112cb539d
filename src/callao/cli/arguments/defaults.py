# SPDX-License-Identifier: GPL-3.0-or-later
"""A template with defaults filled in for this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callao.cli.session import Session
from callao.config import Config
from callao.errors import Problem, ignore_warning


def with_defaults(
    run: Session, document: Mapping[str, object], name: str, warn: Callable[[Problem], None] = ignore_warning
) -> Config:
    """The user's own defaults around ``document``, and every other default filled in.

    :param name: of the instance that would be made from it.
    :param warn: is told what in it has no effect, or another than it seems.
    :raises ConfigError: with every problem of it.
    """
    from callao.config import effective
    from callao.offline import network_access_of_environment
    from callao.templates import with_override_files

    whole = with_override_files(document, run.home, access=network_access_of_environment())
    return effective(whole, run.host, name=name, instance_dir=run.home / name, warn=warn)
