# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the engine, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callao.config import Config
from callao.errors import CallaoError
from callao.instances import Policy, Restart, Target
from callao.instances.records import label_text
from callao.offline import NetworkAccess


@dataclass(frozen=True, kw_only=True)
class Request:
    """One instance as somebody wants it.

    :param template: a template's name or path; None keeps that of an existing instance.
    :param config: lima.yaml content, merged over the template; empty changes nothing. A disk of its
        ``additionalDisks`` that has a ``size`` is made where it does not exist.
    :param document: a whole lima.yaml, in the place of the template's; ``template`` then only names
        where it came from.
    :param text: that document as somebody wrote it, comments and all.
    :param before: the lima.yaml that this was written from; where another run has changed it since, the
        request is refused.
    :param amend: what makes of an existing instance's document the one that it shall have; asked again under
        the instance's lock, so that changes at the same time all count.
    :param labels: None leaves an existing instance's labels alone. A number or a boolean is its text.
    :param warm: have a new instance go on from the memory of one like it, in place of booting, where that
        can be; the first of its kind boots, and is kept for those to come. None: as its lima.yaml says.
    :param origin: ``NAME`` or ``NAME@SNAPSHOT``: the instance that a new one begins as.
    :param protected: whether it shall be kept from being deleted; None leaves that as it is.
    :param autostart: whether it shall be started when its user logs in; None leaves that as it is.
    :param renamed_from: the name that the instance had; where that exists still, it is renamed first.
    :param lock: a lock file that the template has to be in, unchanged; its images and packages count.
    :param access: whether templates and images may be had from the network.
    :param timeout: seconds, for the start to become ready, and for another run's lock.
    """

    name: str
    state: str = "started"
    template: str | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    document: Mapping[str, object] | None = None
    text: str = ""
    before: str = ""
    amend: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
    labels: Mapping[str, object] | None = None
    force: bool = False
    recreate: bool = False
    restart: str = "auto"
    timeout: float = 600.0
    warm: bool | None = None
    origin: str = ""
    protected: bool | None = None
    autostart: bool | None = None
    renamed_from: str = ""
    lock: Path | None = None
    access: NetworkAccess = NetworkAccess.ONLINE

    def policy(self) -> Policy:
        """The same in the plan's words.

        :raises CallaoError: for a state or a restart policy that there isn't, or no time at all.
        """
        if not self.timeout > 0:
            raise CallaoError(f"timeout: {self.timeout!r} is no time (allowed: seconds above 0).")
        return Policy(
            target=Target(_one_of("state", self.state, [str(each) for each in Target])),
            restart=Restart(_one_of("restart", self.restart, [str(each) for each in Restart])),
            force=self.force,
            recreate=self.recreate,
            protected=self.protected,
            autostart=self.autostart,
        )

    def label_texts(self) -> dict[str, str] | None:
        """:raises CallaoError: for a label that is no scalar."""
        if self.labels is None:
            return None
        texts: dict[str, str] = {}
        for key, value in self.labels.items():
            text = label_text(value)
            if not isinstance(text, str):
                raise CallaoError(
                    f"labels.{key}: {value!r} is not text (allowed: text, a number, a boolean)."
                )
            texts[str(key)] = text
        return texts

    def is_warm(self, config: Config) -> bool:
        """Whether a new instance of this configuration is to be warm."""
        return config.warm if self.warm is None else self.warm


@dataclass(frozen=True)
class Outcome:
    """What changed (or would, in check mode).

    ``before`` and ``after`` are effective configurations with ``status`` and ``labels``, None where
    there is no instance, both None when nothing changed; ``instance`` is
    :func:`callao.instances.summary`'s, None after a delete; ``actions`` are the plan's steps.
    """

    changed: bool
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    instance: dict[str, object] | None = None
    notices: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


def _one_of(option: str, value: str, allowed: list[str]) -> str:
    if value not in allowed:
        raise CallaoError(f"{option}: {value!r} is not known (allowed: {', '.join(allowed)}).")
    return value
