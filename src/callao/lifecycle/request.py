# SPDX-License-Identifier: GPL-3.0-or-later
"""The request to the engine, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callao.config import Config
from callao.errors import CallaoError
from callao.instances import Policy, Restart, Target
from callao.instances.records import label_text
from callao.offline import NetworkAccess
from callao.secrets.value import SecretValue


@dataclass(frozen=True, kw_only=True)
class Request:
    """The desired state of one instance.

    :param template: a template's name or path; None keeps that of an existing instance.
    :param config: lima.yaml content, merged over the template; empty changes nothing. A disk in
        ``additionalDisks`` with a ``size`` is created where it does not exist.
    :param document: a whole lima.yaml in place of the template's; ``template`` then only names its
        source.
    :param text: the source text of that document, with its comments.
    :param expected_text: the lima.yaml that ``document`` was made from; where another run has changed it
        since, the request is refused.
    :param edit: computes the new document of an existing instance from its present one; called again under
        the instance's lock, so that changes by several runs are all kept.
    :param labels: None keeps an existing instance's labels. A number or a boolean is converted to text.
    :param warm: have a new instance resume from the saved memory of an equal one, in place of booting, where
        possible; the first of its kind boots and is saved. None: as its lima.yaml says.
    :param origin: ``NAME`` or ``NAME@SNAPSHOT``: the source of a new instance.
    :param protected: whether it is protected against deletion; None keeps the present state.
    :param autostart: whether it is started when its user logs in; None keeps the present state.
    :param renamed_from: the former name of the instance; where that still exists, it is renamed first.
    :param lock: a lock file that must contain the template unchanged; its images and packages are used.
    :param secret_values: values of ``secrets``, by name, for the running guest; they are kept nowhere.
    :param access: whether templates and images may be fetched from the network.
    :param timeout: seconds to wait until the start is ready, and for another run's lock.
    """

    name: str
    state: str = "started"
    template: str | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    document: Mapping[str, object] | None = None
    text: str = ""
    expected_text: str = ""
    edit: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
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
    secret_values: Mapping[str, SecretValue] = field(default_factory=dict)
    access: NetworkAccess = NetworkAccess.ONLINE

    def policy(self) -> Policy:
        """The part of the request that the plan needs.

        :raises CallaoError: for an unknown state or restart policy, or a timeout that is not above 0.
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
        """:raises CallaoError: for a label that is not a scalar."""
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
