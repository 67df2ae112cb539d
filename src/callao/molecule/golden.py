# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a golden image from packages when the template's image cannot be fetched, as role ``devbox``
does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from callao.config import merge
from callao.errors import DownloadError, ImageError
from callao.events import Event, EventState, Reporter, Stage
from callao.golden import build, recipe
from callao.golden.host import missing_packages
from callao.host import Host
from callao.lifecycle import Request
from callao.offline import NetworkAccess

_DEBIAN = re.compile(r"(?:template:(?://)?)?debian-(1[23])")
"""The templates for which a golden image can be built, by their Debian release."""

_UNREACHABLE = (ImageError, DownloadError)
"""These classes exactly, without subclasses: an image that was fetched and is invalid must be reported."""


def with_golden_image(
    request: Request, error: ImageError, *, home: Path, host: Host, report: Reporter
) -> Request:
    """The request with a golden image in place of the image that could not be fetched.

    :raises ImageError: ``error`` itself, where there is no golden image for the template; another error
        where the image cannot be built on this host.
    """
    release = _DEBIAN.fullmatch(request.template or "")
    inline = "images" in request.config
    if type(error) not in _UNREACHABLE or release is None or inline or request.origin or request.lock:
        raise error
    if request.access is NetworkAccess.OFFLINE:
        raise error
    arch = str(request.config.get("arch") or host.arch)
    lacking = missing_packages(arch)
    if lacking:
        raise ImageError(
            f"{error.message} A Debian {release[1]} built from packages could take its place, and this host "
            f"lacks {', '.join(lacking)} for that.",
            hint=f"Install with: apt-get install {' '.join(lacking)}",
        ) from error

    def tell(text: str) -> None:
        report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=f"golden image: {text}"))

    built = build(recipe(release[1], arch, "cloud", ""), home, tell)
    message = (
        f"the image of template {request.template} cannot be fetched here, so that a Debian {release[1]} "
        f"built from packages takes its place ({error.message.splitlines()[0][:160]})"
    )
    report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))
    return replace(request, config=merge([{"images": [{"location": built.image}]}, request.config]))
