# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision mode ``yq``: edits of the guest's files, made here while the guest's boot scripts wait.

The guest is not trusted: it names which of the configuration's edits it wants, so many times, and gives a
file of bounded size; the edit itself runs in a process of its own, see :mod:`callao.config.run_jq`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator

from callao.config import Config
from callao.config.schema import Provision, ProvisionMode
from callao.ssh import Client

_FOLDER = "/run/lima-edits"
_LARGEST = 256 * 1024
"""Bytes of a file that is edited."""

_MOST = 20
"""Times that the guest may ask for one edit during one boot: it may reboot itself."""

_LONGEST = 500
"""Characters that the guest is told."""

_PATIENCE = 60.0
"""Seconds for one script in the guest."""

_PAUSE = 1.0
"""Seconds before another look, when the guest's sshd is not there."""

_LOOK = f"""\
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
async def answered(config: Config, client: Client) -> AsyncIterator[None]:
    """Edits are made as the guest asks for them, until the context ends."""
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
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(entries: dict[str, Provision], client: Client) -> None:
    times: Counter[str] = Counter()
    asked: asyncio.Queue[str] = asyncio.Queue()  # each edit so many times, and no more

    def hear(line: str) -> None:
        number = line.strip()
        if number in entries and times[number] < _MOST:
            times[number] += 1
            asked.put_nowait(number)

    async def look() -> None:
        while True:
            await client.stream(_LOOK, hear)
            await asyncio.sleep(_PAUSE)

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        while True:
            number = await asked.get()
            with contextlib.suppress(TimeoutError):  # the guest is gone, or says so itself
                await _answer(number, entries[number], client)


async def _answer(number: str, entry: Provision, client: Client) -> None:
    read = await client.run(_read(number), timeout=_PATIENCE)
    kind, _, encoded = read.stdout.partition("\n")
    if kind not in ("none", "file"):
        return
    try:
        text = None if kind == "none" else base64.b64decode(encoded).decode("utf-8")
    except ValueError:
        after, answer = "", "failed the file is not text"
    else:
        after, answer = await asyncio.to_thread(_edited, text, entry)
    await client.run(_write(number, after, answer), timeout=_PATIENCE)


def _read(number: str) -> str:
    return f"""\
cd {_FOLDER}/{number} || exit 1
sudo -n test -e before || {{ echo none; exit 0; }}
echo file
sudo -n head -c {_LARGEST + 1} before | base64
"""


def _write(number: str, text: str, answer: str) -> str:
    """What comes from the guest's own file travels as base64, or without quotes."""
    content = base64.encodebytes(text.encode()).decode("ascii")
    said = re.sub(r"[^ -&(-~]", "?", answer)[:_LONGEST]
    return f"""\
cd {_FOLDER}/{number} || exit 1
base64 -d <<'END' | sudo -n tee after >/dev/null
{content}END
printf '%s\\n' '{said}' | sudo -n tee answered.new >/dev/null
sudo -n mv -f answered.new answered
"""


def _edited(text: str | None, entry: Provision) -> tuple[str, str]:
    """The file's text after the edit, and what the guest is told."""
    from callao.config.yq_edit import NotEdited, edited, form_of

    if text is not None and len(text.encode()) > _LARGEST:
        return "", f"failed the file is larger than {_LARGEST // 1024} KiB"
    form, expression = form_of(entry.format or "auto", entry.path or ""), entry.expression or ""
    try:
        after = edited(text, expression, form)
        settled = edited(after, expression, form) == after
    except NotEdited as error:
        return "", f"failed {error}"
    return after, "settled" if settled else "changed"
