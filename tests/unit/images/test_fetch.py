# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a server that stalls, truncates, redirects and lies."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import io
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from images.conftest import BODY, Server, get, killed_after, left_in, sha256

from callao.errors import CallaoError, DigestMismatch, DownloadError, ImageError
from callao.events import Event, EventState, silent
from callao.images import DownloadLimits, cached_file, fetch, import_file, remove_cached
from callao.images.cache import cache_entry, exclusive
from callao.images.size import size_of
from callao.offline import NetworkAccess


def ranges(server: Server) -> list[str]:
    return [asked for _, asked in server.requests]


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert len(server.requests) == 1
    found = cached_file(url, sha256(BODY), tmp_path)
    assert found is not None
    assert found.size == len(BODY)


def test_the_cache_is_where_lima_looks(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path)
    folder = tmp_path / "_cache" / "download" / "by-url-sha256" / hashlib.sha256(url.encode()).hexdigest()
    assert (folder / "data").read_bytes() == BODY
    assert (folder / "url").read_text() == url


def test_a_truncated_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, cut_after=[300_000])
    assert get(url, tmp_path, sha256(BODY)) == BODY
    first, second = ranges(server)
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_a_download_that_was_killed_is_resumed_by_the_next_run(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    killed_after(tmp_path, url, BODY[:200_000])
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert ranges(server) == ["bytes=200000-"]


def test_a_file_that_changed_meanwhile_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, etag='"two"')
    killed_after(tmp_path, url, b"old" * 1000)
    assert get(url, tmp_path) == BODY
    assert ranges(server) == ["bytes=3000-"]


def test_a_changed_file_whose_rest_is_sent_all_the_same_is_fetched_whole(
    server: Server, tmp_path: Path
) -> None:
    url = server.serve("/a.img", BODY, etag='"two"', if_range=False)
    killed_after(tmp_path, url, b"old" * 1000)
    assert get(url, tmp_path) == BODY
    assert ranges(server) == ["bytes=3000-", ""]


def test_an_old_part_is_never_taken_for_the_new_files(server: Server, tmp_path: Path) -> None:
    """The server breaks off right after it has said that the file is another by now."""
    url = server.serve("/a.img", BODY, etag='"two"', stall_after=0)
    killed_after(tmp_path, url, b"old" * 1000)
    with pytest.raises(DownloadError, match="stalled"):
        get(url, tmp_path)
    assert (
        not cache_entry(tmp_path, url).part.exists() or cache_entry(tmp_path, url).part.read_bytes() == b""
    )


def test_a_part_that_nothing_tells_the_age_of_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    killed_after(tmp_path, url, b"old" * 1000, etag="")
    assert get(url, tmp_path) == BODY
    assert ranges(server) == [""]


def test_a_part_longer_than_the_file_is_fetched_whole(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    killed_after(tmp_path, url, BODY + b"more")
    assert get(url, tmp_path) == BODY


def test_a_part_that_was_whole_already_is_enough(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    killed_after(tmp_path, url, BODY)
    assert get(url, tmp_path, sha256(BODY)) == BODY


def test_a_server_without_ranges_is_asked_again_from_the_start(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, ranges=False, cut_after=[300_000])
    assert get(url, tmp_path, sha256(BODY)) == BODY


def test_a_server_that_promises_too_much_is_found_out(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, length_lie=1000, ranges=False)
    with pytest.raises(DownloadError, match=r"a\.img cannot be fetched: .*"):
        get(url, tmp_path)
    assert cached_file(url, None, tmp_path) is None


def test_a_server_that_promises_too_little_is_found_out_by_the_digest(
    server: Server, tmp_path: Path
) -> None:
    url = server.serve("/a.img", BODY, length_lie=-1000)
    with pytest.raises(DigestMismatch):
        get(url, tmp_path, sha256(BODY))
    assert left_in(tmp_path) == []


def test_chunks_that_end_too_early_are_told_and_gone_on_with(server: Server, tmp_path: Path) -> None:
    """No Content-Length says how much is missing: the chunks do."""
    url = server.serve("/a.img", BODY, chunked=True, cut_after=[300_000])
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert ranges(server)[1] == "bytes=300000-"
    url = server.serve("/b.img", BODY, chunked=True, cut_after=[1] * 9)
    with pytest.raises(DownloadError, match="the server ended the connection before the file was complete"):
        get(url, tmp_path)


def test_a_body_of_no_told_length_that_ends_early_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    """Whether it is whole can be asked of a server that serves ranges."""
    url = server.serve("/a.img", BODY, open_ended=True, cut_after=[300_000])
    assert get(url, tmp_path) == BODY
    assert ranges(server) == ["", "bytes=300000-", "bytes=300000-"]
    url = server.serve("/b.img", BODY, open_ended=True)
    assert get(url, tmp_path) == BODY
    url = server.serve("/c.img", BODY, open_ended=True, cut_after=[1] * 9)
    with pytest.raises(DownloadError, match="the connection ended after 3 of 700000 bytes"):
        get(url, tmp_path)


def test_a_body_whose_length_nobody_tells_is_told_as_that(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    url = server.serve("/a.img", BODY, open_ended=True, ranges=False, cut_after=[300_000])
    with pytest.raises(DigestMismatch):
        get(url, tmp_path, sha256(BODY), events)
    assert "it may be truncated" in events[-1].message


def test_a_run_that_keeps_others_waiting_is_named_and_not_waited_for_longer_than_asked(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    url = server.serve("/a.img", BODY)
    place = cache_entry(tmp_path, url).dir
    place.parent.mkdir(parents=True)
    lock = place.with_name(f".{place.name}.lock")
    script = "import sys, time; from pathlib import Path; from callao import flock\n" + (
        "with flock.exclusive(Path(sys.argv[1]), 1.0, OSError):\n    print(flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", script, str(lock), "web", "--set", "token=hidden"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        who = rf"another run, pid {holder.pid} \(-c {re.escape(str(lock))} web\)"
        try:
            with pytest.raises(ImageError, match=rf"{who}; waited 1 s"):
                fetch(
                    url,
                    digest=None,
                    home=tmp_path,
                    report=events.append,
                    limits=DownloadLimits(lock_timeout=0.7),
                )
        finally:
            holder.kill()
    assert len(events) == 1
    assert re.search(rf"waiting for {who}", events[0].message)
    assert get(url, tmp_path) == BODY


def test_a_server_that_asks_for_a_pause_gets_it(server: Server, tmp_path: Path, events: list[Event]) -> None:
    date = email.utils.formatdate(time.time() - 5, usegmt=True)
    url = server.serve("/a.img", BODY, busy=["0", date])
    assert get(url, tmp_path, sha256(BODY), events) == BODY
    told = [event.message for event in events if event.state is EventState.NOTICE]
    assert [words for words in told if "HTTP status 503" in words and "trying again in 0 s" in words] == told


@pytest.mark.parametrize("said", ["86400", "Fri, 31 Dec 2099 23:59:59 GMT", "soon", "-1"])
def test_a_pause_that_nobody_waits_for_is_a_refusal(server: Server, tmp_path: Path, said: str) -> None:
    with pytest.raises(DownloadError, match="HTTP status 503"):
        get(server.serve("/a.img", BODY, busy=[said] * 9), tmp_path)
    assert len(server.requests) == 1


def test_a_server_that_stalls_is_given_up(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, stall_after=0)
    with pytest.raises(DownloadError, match="the server stalled"):
        get(url, tmp_path)


def test_what_came_before_a_stall_is_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, stall_after=100_000)
    with pytest.raises(DownloadError, match="stalled"):
        get(url, tmp_path)
    server.serve("/a.img", BODY)
    server.requests.clear()
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert ranges(server)[0].startswith("bytes=")


@pytest.mark.parametrize("said", ["9" * 5000, "\xb2", "-5", "many"])
def test_a_length_that_is_none_is_no_exception(server: Server, tmp_path: Path, said: str) -> None:
    url = server.serve("/a.img", BODY, length_said=said)
    assert get(url, tmp_path, sha256(BODY)) == BODY
    assert size_of(url) == 0
    url = server.serve("/b.img", BODY, length_said=said)
    killed_after(tmp_path, url, BODY[:1000])
    with contextlib.suppress(DownloadError):
        assert get(url, tmp_path, sha256(BODY)) == BODY


class Killed(BaseException):
    """As SIGKILL ends a run: no clean-up of ours is for it."""


@pytest.mark.parametrize("name", ["data", "sha256.digest"])
@pytest.mark.parametrize("adopted", [False, True])
def test_a_run_that_is_killed_leaves_no_digest_beside_other_data(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, adopted: bool
) -> None:
    url = server.serve("/a.img", b"old" * 1000)
    get(url, tmp_path)
    server.serve("/a.img", BODY, etag='"two"')
    real = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if target.name == name:
            raise Killed
        return real(path, target)

    def run() -> object:
        return (
            import_file(url, io.BytesIO(BODY), sha256(BODY), tmp_path)
            if adopted
            else get(url, tmp_path, sha256(BODY))
        )

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(Killed):
        run()
    monkeypatch.undo()
    assert get(url, tmp_path, sha256(BODY)) == BODY


@pytest.mark.parametrize("manners", [{}, {"chunked": True}, {"open_ended": True}])
def test_a_file_that_is_larger_than_may_be_is_not_fetched_to_its_end(
    server: Server, tmp_path: Path, manners: dict[str, bool]
) -> None:
    url = server.serve("/a.img", BODY, **manners)
    with pytest.raises(DownloadError, match="is larger than 64KiB"):
        fetch(url, digest=None, home=tmp_path, report=silent, limits=DownloadLimits(max_bytes=1 << 16))
    assert [name for name in left_in(tmp_path) if "part" in name and "part." not in name] == []
    assert len(server.requests) == 1
    assert get(url, tmp_path, sha256(BODY)) == BODY


def test_what_another_run_is_at_is_not_forgotten(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path)
    with exclusive(cache_entry(tmp_path, url).dir):
        remove_cached(url, tmp_path)
        assert cache_entry(tmp_path, url).data.exists()
    remove_cached(url, tmp_path)
    assert not cache_entry(tmp_path, url).dir.exists()


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.serve("/real.img", BODY)
    url = server.serve("/a.img", b"", status=302, location="/real.img")
    assert get(url, tmp_path, sha256(BODY)) == BODY


@pytest.mark.parametrize("location", ["/a.img", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_that_lead_nowhere_are_refused(server: Server, tmp_path: Path, location: str) -> None:
    url = server.serve("/a.img", b"", status=302, location=location)
    with pytest.raises(DownloadError, match=r"a\.img cannot be fetched"):
        get(url, tmp_path)


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (500, "500"), (403, "403")])
def test_a_refusal_is_told_with_its_status(server: Server, tmp_path: Path, status: int, words: str) -> None:
    url = server.serve("/a.img", b"no", status=status)
    with pytest.raises(DownloadError, match=words):
        get(url, tmp_path)
    assert cached_file(url, None, tmp_path) is None


def test_nobody_listening_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1/a\.img cannot be fetched: .*refused") as caught:
        get("http://127.0.0.1:1/a.img", tmp_path)
    assert "\n" not in str(caught.value)
    assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_a_wrong_digest_names_both_and_leaves_nothing(server: Server, tmp_path: Path, name: str) -> None:
    url = server.serve("/a.img", BODY)
    right = f"{name}:{hashlib.new(name, BODY).hexdigest()}"
    wrong = f"{name}:{'0' * (64 if name == 'sha256' else 128)}"
    with pytest.raises(DigestMismatch) as caught:
        get(url, tmp_path, wrong)
    assert right in str(caught.value)
    assert wrong in str(caught.value)
    assert left_in(tmp_path) == []
    assert get(url, tmp_path, right) == BODY


def test_a_digest_asked_for_later_is_checked_once(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path)
    sha512 = "sha512:" + hashlib.sha512(BODY).hexdigest()
    assert get(url, tmp_path, sha512) == BODY
    assert len(server.requests) == 1


def test_a_cached_file_that_is_another_by_now_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", b"yesterday's")
    get(url, tmp_path)
    server.serve("/a.img", BODY, etag='"two"')
    assert get(url, tmp_path, sha256(BODY)) == BODY


MONDAY, TUESDAY = "Mon, 02 Mar 2026 08:00:00 GMT", "Tue, 03 Mar 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    "manners", [{}, {"etag": "", "modified": MONDAY}, {"etag": 'W/"1"', "modified": MONDAY}]
)
def test_a_file_that_has_not_changed_is_asked_after_and_kept(
    server: Server, tmp_path: Path, manners: dict[str, str]
) -> None:
    url = server.serve("/a.img", BODY, **manners)
    assert get(url, tmp_path) == get(url, tmp_path) == BODY
    assert (len(server.requests), len(server.looks)) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"etag": '"two"'}),
        ({"etag": "", "modified": MONDAY}, {"etag": "", "modified": TUESDAY}),
        ({"etag": ""}, {"etag": ""}),
        ({"etag": "", "modified": MONDAY}, {"etag": ""}),
    ],
)
def test_a_file_without_a_digest_that_has_changed_is_fetched_again(
    server: Server, tmp_path: Path, events: list[Event], before: dict[str, str], after: dict[str, str]
) -> None:
    url = server.serve("/a.img", b"yesterday's", **before)
    assert get(url, tmp_path) == b"yesterday's"
    server.serve("/a.img", BODY, **after)
    assert get(url, tmp_path, events=events) == BODY
    assert f"{url} has changed since it was fetched: fetching it again." in [each.message for each in events]


def test_a_server_that_cannot_be_asked_leaves_the_cached_file(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path)
    server.resources.clear()
    assert get(url, tmp_path, events=events) == BODY
    assert "cannot be asked" in events[0].message
    assert "404" in events[0].message


def test_nobody_is_asked_about_a_file_with_a_digest_or_offline(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path)
    get(url, tmp_path, sha256(BODY))
    fetch(url, digest=None, home=tmp_path, report=silent, access=NetworkAccess.OFFLINE)
    assert server.looks == []


def test_the_date_of_a_download_is_kept_where_lima_looks_for_it(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.img", BODY, modified=MONDAY)
    get(url, tmp_path)
    assert (cache_entry(tmp_path, url).dir / "time").read_text() == MONDAY


def test_a_download_that_nobody_vouches_for_is_told(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    url = server.serve("/a.img", BODY)
    get(url, tmp_path, events=events)
    assert [event.message for event in events if event.state is EventState.NOTICE] == [
        f"{url}: no digest is known for this download."
    ]


def test_one_that_fails_is_not_told_of_twice(server: Server, tmp_path: Path, events: list[Event]) -> None:
    with pytest.raises(DownloadError):
        get(server.url("/missing"), tmp_path, events=events)
    assert [event for event in events if event.state is EventState.NOTICE] == []


def test_progress_is_told_with_the_share_that_is_done(
    server: Server, tmp_path: Path, events: list[Event]
) -> None:
    get(server.serve("/a.img", BODY), tmp_path, sha256(BODY), events)
    progress = [event for event in events if event.state is EventState.PROGRESS]
    shares = [event.fraction for event in progress if event.fraction is not None]
    assert len(shares) == len(progress) > 0
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
    assert "a.img" in progress[0].message


def test_two_processes_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    body = os.urandom(3_000_000)
    url = server.serve("/a.img", body)
    spawn = multiprocessing.get_context("spawn")
    runs = [spawn.Process(target=fetch_quietly, args=(url, tmp_path, sha256(body))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(server.requests) == 1


def fetch_quietly(url: str, home: Path, digest: str) -> None:
    fetch(url, digest=digest, home=home, report=silent)


@pytest.mark.parametrize(
    ("location", "digest", "words"),
    [
        ("ftp://host/a.img", None, "ftp.*allowed: http, https, file"),
        ("https:///a.img", None, "names no host"),
        ("/nonexistent/a.img", None, "/nonexistent/a.img is not a file"),
        ("/tmp", None, "/tmp is not a file"),
        ("/" + "x" * 300, None, "/xxx.* is not a file"),
        ("http://[::1/a.img", None, "::1/a.img"),
        ("http://127.0.0.1:99999/a.img", None, "99999"),
        ("http://a..b/a.img", None, "a..b"),
        ("http://127.0.0.1:1/a", "md5:abc", "md5:abc.*allowed: sha256"),
        ("http://127.0.0.1:1/a", "sha256:ABC", "sha256:ABC.*allowed"),
    ],
)
def test_what_cannot_be_a_location_or_a_digest_is_refused(
    tmp_path: Path, location: str, digest: str | None, words: str
) -> None:
    with pytest.raises(ImageError, match=words):
        get(location, tmp_path, digest)


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "_cache").write_text("a file where a folder should be")
    with pytest.raises(CallaoError, match="_cache"):
        get(server.serve("/a.img", BODY), tmp_path)


def test_the_library_for_the_network_is_loaded_by_a_download_alone() -> None:
    program = (
        "import sys, callao.lifecycle.apply; print([name for name in sys.modules if 'urllib3' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
