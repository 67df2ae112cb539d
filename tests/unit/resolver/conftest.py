# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from resolver.running import Running
from resolver.upstream import Script, Upstream

from callao.resolver import Resolver, Rules, Timeouts


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts a resolver; without a resolv.conf it has no name servers."""
    running: list[Running] = []

    def start(rules: Rules = Rules(), **more) -> Running:  # noqa: B008
        more.setdefault("resolv_conf", tmp_path / "resolv.conf")
        running.append(Running(Resolver(rules, **more)))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    started: list[Upstream] = []

    def start(script: Script, **more) -> Upstream:
        started.append(Upstream(script, **more))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def forwarding(serve, upstream, tmp_path: Path) -> Callable[..., tuple[Running, Upstream]]:
    """A resolver with that name server before it."""

    def start(script: Script, rules: Rules = Rules(), **more) -> tuple[Running, Upstream]:  # noqa: B008
        server = upstream(script)
        (tmp_path / "resolv.conf").write_text(f"nameserver {server.address}\n")
        more.setdefault("timeouts", Timeouts(server=2, total=4.5))
        return serve(rules, upstream_port=server.port, **more), server

    return start
