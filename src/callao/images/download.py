# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads a URL to a file and hashes it meanwhile; an interrupted download is resumed.

See RFC 9110: sections 14 (ranges) and 13.1.5 (If-Range), so that the rest is never taken from a file
that has changed in the meantime.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

import callao
from callao.config.sizes import format_size
from callao.errors import DownloadError
from callao.images.cache import CacheEntry
from callao.images.download_limits import DownloadLimits, Progress

_RETRY_STATUSES = (429, 503)
"""Status codes of servers that limit requests or are overloaded."""

_MAX_RETRY_AFTER = 300.0
"""Seconds that a server may ask for before another try."""

_CHUNK = 64 * 1024
"""Bytes to read at once; a stall loses at most this many."""
HEADERS = {"User-Agent": f"callao/{callao.__version__}", "Accept-Encoding": "identity"}
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)

_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
"""Limits the digits, because Python raises an error for numbers of thousands of digits."""


def download(
    entry: CacheEntry,
    algorithm: str,
    limits: DownloadLimits,
    progress: Progress,
    notice: Callable[[str], None],
) -> str:
    """Fetch ``entry.url`` into ``entry.part``; returns ``NAME:HEX`` of the whole.

    :param notice: called with the reason for each wait.
    :raises DownloadError: when the URL is not available; the incomplete file is kept, unless too large.
    :raises OSError: when the file cannot be written; urllib3 wraps the errors of the network.
    """
    last: Exception | None = None
    for _ in range(limits.tries):
        before = _size(entry.part)
        try:
            return _attempt(entry, algorithm, limits, progress, notice)
        except _RetryLater as error:
            last = error
            notice(f"{entry.url}: {error}: trying again in {error.seconds:.0f} s.")
            time.sleep(error.seconds)
        except (urllib3.exceptions.HTTPError, _Truncated) as error:
            last = error
            if _size(entry.part) == before and not isinstance(error, _Truncated):
                break
    raise DownloadError(f"{entry.url} cannot be fetched: {describe_error(last)}.") from last


class _Truncated(Exception):
    """The connection ended before the promised length."""


class _RetryLater(Exception):
    """The server asks to be tried again later (RFC 9110, section 10.2.3)."""

    def __init__(self, status: int, reason: str, seconds: float) -> None:
        super().__init__(f"HTTP status {status} {reason}")
        self.seconds = seconds


def _attempt(
    entry: CacheEntry,
    algorithm: str,
    limits: DownloadLimits,
    progress: Progress,
    notice: Callable[[str], None],
) -> str:
    have = _size(entry.part)
    began = read_note(entry.validator)
    have = have if began else 0
    headers = _range_headers(have, began) if have else HEADERS
    with pool_for(entry.url, limits) as pool:
        answer = pool.request(
            "GET",
            entry.url,
            headers=headers,
            preload_content=False,
            redirect=True,
            retries=redirect_policy(),
        )
        try:
            start, total = _body_range(entry, answer, have)
            if (total or 0) > limits.max_bytes:
                raise _too_large(entry, limits.max_bytes)
            found = _stream(entry, answer, algorithm, start, total, progress, limits.max_bytes)
            open_ended = total is None and "chunked" not in answer.headers.get("Transfer-Encoding", "")
        finally:
            answer.release_conn()
            answer.close()
        if open_ended:
            more = _has_more(pool, entry)
            if more:
                raise _Truncated(f"the connection ended after {_size(entry.part)} bytes, and there are more")
            if more is None:
                notice(f"{entry.url}: the server does not send the length of the file: it may be truncated.")
        return found


def _range_headers(have: int, version: str) -> dict[str, str]:
    """Headers that request the rest after ``have`` bytes, if the file still has that version; see RFC 9110,
    sections 13.1.5 and 14.2.
    """
    return {**HEADERS, "Range": f"bytes={have}-", "If-Range": version}


def _has_more(pool: Any, entry: CacheEntry) -> bool | None:
    """Whether the file has more bytes than were received. Without a Content-Length, the connection may have
    ended too early. None where the server does not say; then only the digest can tell."""
    have, version = _size(entry.part), read_note(entry.validator)
    if not version:
        return None
    headers = _range_headers(have, version)
    answer = pool.request(
        "GET", entry.url, headers=headers, preload_content=False, retries=redirect_policy()
    )
    try:
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status == 206 and match is not None and int(match.group(1)) == have:
            return True
        return False if answer.status == 416 else None
    finally:
        answer.close()


def _body_range(entry: CacheEntry, answer: Any, have: int) -> tuple[int, int | None]:
    """The offset of the body in the file, and the length of the whole file.

    :raises DownloadError: for a status without a file.
    """
    promised = content_length(answer)
    if answer.status == 206:
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        same = validator(answer) in ("", read_note(entry.validator))
        if match is None or int(match.group(1)) != have or not same:
            entry.part.unlink(missing_ok=True)
            raise _Truncated("the server sent another range than was requested")
        return have, int(match.group(2)) if match.group(2).isdigit() else None
    if answer.status == 416:
        entry.part.unlink(missing_ok=True)
        raise _Truncated("the server has no more bytes than were received before")
    seconds = (
        _retry_after(answer.headers.get("Retry-After", "")) if answer.status in _RETRY_STATUSES else None
    )
    if seconds is not None:
        raise _RetryLater(answer.status, answer.reason, seconds)
    if answer.status != 200:
        raise DownloadError(f"{entry.url} cannot be fetched: HTTP status {answer.status} {answer.reason}.")
    entry.part.unlink(missing_ok=True)
    entry.validator.write_text(validator(answer), encoding="latin-1")
    entry.part_modified.write_text(last_modified(answer), encoding="latin-1")
    return 0, promised


def content_length(answer: Any) -> int | None:
    """The Content-Length; None where it is missing or invalid."""
    said = str(answer.headers.get("Content-Length", ""))
    return int(said) if _LENGTH.fullmatch(said) else None


def _retry_after(said: str) -> float | None:
    """Seconds, from a number or a date; None where the value is invalid or too large."""
    if said.strip().isdecimal():
        seconds = float(said)
    else:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds <= _MAX_RETRY_AFTER else None


def validator(answer: Any) -> str:
    """The ETag or date of this version of the file; empty where the server sends neither."""
    tag = str(answer.headers.get("ETag", ""))
    return tag if tag and not tag.startswith("W/") else last_modified(answer)


def last_modified(answer: Any) -> str:
    """The date of this version of the file; empty where the server does not say it."""
    return str(answer.headers.get("Last-Modified", ""))


def _too_large(entry: CacheEntry, most: int) -> DownloadError:
    entry.part.unlink(missing_ok=True)
    return DownloadError(f"{entry.url} is larger than {format_size(most)}.")


def _stream(
    entry: CacheEntry,
    answer: Any,
    algorithm: str,
    start: int,
    total: int | None,
    progress: Progress,
    most: int,
) -> str:
    hasher = hashlib.new(algorithm)
    with entry.part.open("r+b" if start else "wb") as file:
        while start and file.tell() < start:
            hasher.update(file.read(min(_CHUNK, start - file.tell())))
        for chunk in answer.stream(_CHUNK, decode_content=False):
            file.write(chunk)
            hasher.update(chunk)
            if file.tell() > most:
                raise _too_large(entry, most)
            progress(file.tell(), total)
        file.truncate()
        done = file.tell()
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done != total:
        raise _Truncated(f"the connection ended after {done} of {total} bytes")
    return f"{algorithm}:{hasher.hexdigest()}"


def pool_for(url: str, limits: DownloadLimits) -> Any:
    """A connection pool, through the proxy that the environment sets for this URL; honours ``no_proxy``."""
    timeout = urllib3.Timeout(connect=limits.connect, read=limits.read)
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if (
        not proxy
        or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2])
        or _bypasses_proxy(parts.hostname)
    ):
        return urllib3.PoolManager(timeout=timeout)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    auth = unquote(urllib3.util.parse_url(proxy).auth or "")
    headers = urllib3.make_headers(proxy_basic_auth=auth) if auth else None
    return urllib3.ProxyManager(proxy, timeout=timeout, proxy_headers=headers)


def _bypasses_proxy(host: str | None) -> bool:
    """Whether ``no_proxy`` has a network that contains the address; urllib compares names only."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    named = urllib.request.getproxies().get("no", "")
    return any(address in network for network in _networks(named))


def _networks(named: str) -> Iterator[IPv4Network | IPv6Network]:
    for each in named.split(","):
        if "/" in each:
            with contextlib.suppress(ValueError):
                yield ip_network(each.strip(), strict=False)


def redirect_policy() -> Any:
    """Follow redirects, also between http and https; retries are done by :func:`download`."""
    return urllib3.Retry(
        total=None, connect=0, read=0, status=0, other=0, redirect=10, raise_on_redirect=True
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_note(path: Path) -> str:
    """The content of a note file; empty where there is none."""
    try:
        return path.read_text(encoding="latin-1")
    except OSError:
        return ""


def describe_error(error: BaseException | None) -> str:
    """A message for the innermost cause of an error of urllib3."""
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        return describe_error(error.reason)
    if isinstance(error, urllib3.exceptions.ProxyError):
        return f"the proxy does not help: {describe_error(error.original_error)}"
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return "the server stalled"
    if isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError):
        return str(error).rpartition(": ")[2] or str(error)
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return "the server does not answer"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        # Its text is the repr of a tuple: a message and the underlying error.
        below = next((each for each in error.args if isinstance(each, Exception)), None)
        ended = isinstance(below, urllib3.exceptions.IncompleteRead | http.client.IncompleteRead)
        if below is None or ended or isinstance(below, http.client.RemoteDisconnected):
            return "the server ended the connection before the file was complete"
        return f"the connection broke: {getattr(below, 'strerror', None) or below}"
    return str(error)
