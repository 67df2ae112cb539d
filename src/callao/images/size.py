# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for a file's size without downloading it."""

from __future__ import annotations

import urllib3

from callao.errors import DownloadError
from callao.images.download import HEADERS, content_length, describe_error, pool_for, redirect_policy
from callao.images.download_limits import DownloadLimits
from callao.images.location import parse

_NOT_ALLOWED = (405, 501)
"""Status codes of servers without HEAD."""


def size_of(location: str, limits: DownloadLimits | None = None) -> int:
    """Size in bytes; 0 where the server does not send it.

    :raises DownloadError: when the file is not available.
    """
    place = parse(location)
    if place.path is not None:
        try:
            return place.path.stat().st_size
        except OSError as error:
            raise DownloadError(f"{location} cannot be read: {error.strerror}.") from error
    try:
        return _remote_size(place.url, limits or DownloadLimits())
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(f"{location} cannot be fetched: {describe_error(error)}.") from error


def _remote_size(url: str, limits: DownloadLimits) -> int:
    with pool_for(url, limits) as pool:
        for method in ("HEAD", "GET"):
            answer = pool.request(
                method, url, headers=HEADERS, preload_content=False, redirect=True, retries=redirect_policy()
            )
            answer.close()  # the body of a GET is not read
            if answer.status not in _NOT_ALLOWED:
                break
    if answer.status != 200:
        raise DownloadError(f"{url} cannot be fetched: HTTP status {answer.status} {answer.reason}.")
    return content_length(answer) or 0
