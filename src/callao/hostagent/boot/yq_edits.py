# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision mode ``yq``: edits files of the guest on the host, while the guest's boot scripts wait.

The guest is not trusted: it can only request edits of the configuration, a limited number of times, and send
a file of limited size. The edit runs in a process of its own, see :mod:`callao.config.run_jq`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator

from callao.cancellation import cancel_and_wait
from callao.config import Config
from callao.config.schema import Provision, ProvisionMode
from callao.ssh import Client

_FOLDER = "/run/lima-edits"
_MAX_FILE_SIZE = 256 * 1024
"""Largest size in bytes of a file that is edited."""

_MAX_REQUESTS = 20
"""How often the guest may request one edit during one boot; more than once, because it may reboot itself."""

_MAX_ANSWER = 500
"""Largest number of characters in an answer to the guest."""

_SCRIPT_TIMEOUT = 60.0
"""Seconds for one script in the guest."""

_RETRY_DELAY = 1.0
"""Seconds before the script is started again, after the connection to the guest was lost."""

_POLL_SCRIPT = f"""\
known=
while :; do
  for asked in {_FOLDER}/*/asked; do
    [ -e "$asked" ] || continue
    case $known in *"|$asked|"*) continue ;; esac
    known="$known|$asked|"
    folder=${{asked%/asked}}
    echo "${{folder##*/}}"
  done
  sleep 0.2
done
"""


@contextlib.asynccontextmanager
async def serve_edits(config: Config, client: Client) -> AsyncIterator[None]:
    """Serve the guest's requests for edits until the context ends."""
    entries = {
        f"{index:08d}": entry
        for index, entry in enumerate(config.provision)
        if entry.mode is ProvisionMode.YQ
    }
    if not entries:
        yield
        return
    serving = asyncio.create_task(_serve(entries, client))
    try:
        yield
    finally:
        await cancel_and_wait(serving)


async def _serve(entries: dict[str, Provision], client: Client) -> None:
    counts: Counter[str] = Counter()
    requested: asyncio.Queue[str] = (
        asyncio.Queue()
    )  # bounded, because each edit is served a limited number of times

    def on_request(line: str) -> None:
        number = line.strip()
        if number in entries and counts[number] < _MAX_REQUESTS:
            counts[number] += 1
            requested.put_nowait(number)

    async def poll_requests() -> None:
        while True:
            await client.stream(_POLL_SCRIPT, on_request)
            await asyncio.sleep(_RETRY_DELAY)

    async with asyncio.TaskGroup() as group:
        group.create_task(poll_requests())
        while True:
            number = await requested.get()
            with contextlib.suppress(TimeoutError):  # the guest's boot script has a timeout of its own
                await _answer(number, entries[number], client)


async def _answer(number: str, entry: Provision, client: Client) -> None:
    read = await client.run(_read(number), timeout=_SCRIPT_TIMEOUT)
    kind, _, encoded = read.stdout.partition("\n")
    if kind not in ("none", "file"):
        return
    try:
        text = None if kind == "none" else base64.b64decode(encoded).decode("utf-8")
    except ValueError:
        edited_text, answer = "", "failed the file is not text"
    else:
        edited_text, answer = await asyncio.to_thread(_edited, text, entry)
    await client.run(_write(number, edited_text, answer), timeout=_SCRIPT_TIMEOUT)


def _read(number: str) -> str:
    return f"""\
cd {_FOLDER}/{number} || exit 1
sudo -n test -e before || {{ echo none; exit 0; }}
echo file
sudo -n head -c {_MAX_FILE_SIZE + 1} before | base64
"""


def _write(number: str, text: str, answer: str) -> str:
    """The script that writes the answer. Text from the guest's file is quoted safely: as base64, or without
    quotes.
    """
    content = base64.encodebytes(text.encode()).decode("ascii")
    text_for_guest = re.sub(r"[^ -&(-~]", "?", answer)[:_MAX_ANSWER]
    return f"""\
cd {_FOLDER}/{number} || exit 1
base64 -d <<'END' | sudo -n tee after >/dev/null
{content}END
printf '%s\\n' '{text_for_guest}' | sudo -n tee answered.new >/dev/null
sudo -n mv -f answered.new answered
"""


def _edited(text: str | None, entry: Provision) -> tuple[str, str]:
    """The file's text after the edit, and the answer to the guest."""
    from callao.config.yq_edit import NotEdited, edited, form_of

    if text is not None and len(text.encode()) > _MAX_FILE_SIZE:
        return "", f"failed the file is larger than {_MAX_FILE_SIZE // 1024} KiB"
    form, expression = form_of(entry.format or "auto", entry.path or ""), entry.expression or ""
    try:
        edited_text = edited(text, expression, form)
        is_idempotent = edited(edited_text, expression, form) == edited_text
    except NotEdited as error:
        return "", f"failed {error}"
    return edited_text, "settled" if is_idempotent else "changed"
