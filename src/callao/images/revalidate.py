# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the server whether a cached file without a known digest has changed."""

from __future__ import annotations

import urllib3

from callao.errors import DownloadError
from callao.images.cache import CacheEntry
from callao.images.download import (
    HEADERS,
    describe_error,
    last_modified,
    pool_for,
    read_note,
    redirect_policy,
    validator,
)
from callao.images.download_limits import DownloadLimits


def unchanged(entry: CacheEntry, limits: DownloadLimits) -> bool:
    """Compare the ETag or the date by a HEAD request, see RFC 9110, section 9.3.2.

    Where neither is known, the file counts as changed, as in Lima.

    :raises DownloadError: when the server does not answer.
    """
    known, date = read_note(entry.version), read_note(entry.modified)
    if not known and not date:
        return False
    try:
        with pool_for(entry.url, limits) as pool:
            answer = pool.request(
                "HEAD", entry.url, headers=HEADERS, redirect=True, retries=redirect_policy()
            )
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(f"{entry.url}: {describe_error(error)}") from error
    if answer.status != 200:
        raise DownloadError(f"{entry.url}: HTTP status {answer.status} {answer.reason}")
    return validator(answer) == known if known else last_modified(answer) == date
