# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell completion of arguments. An error offers nothing, because it would disturb the user's typing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from callao.errors import CallaoError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def instances(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of instances."""
    from callao.host import lima_home
    from callao.instances import instance_names

    with contextlib.suppress(CallaoError, OSError):
        return [name for name in instance_names(lima_home()) if name.startswith(begun)]
    return []


def tags(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of the snapshots of the instance that stands before."""
    from callao.host import lima_home
    from callao.instances import InstancePaths
    from callao.snapshots import list_snapshots

    with contextlib.suppress(CallaoError, OSError):
        paths = InstancePaths(lima_home() / (ctx.params.get("instance") or "."))
        return [each.name for each in list_snapshots(paths) if each.name.startswith(begun)]
    return []


def disks(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of additional disks."""
    from callao.disks import names
    from callao.host import lima_home

    with contextlib.suppress(CallaoError, OSError):
        return [name for name in names(lima_home()) if name.startswith(begun)]
    return []


def networks(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Names of networks."""
    from callao.config.networks_yaml import read_networks
    from callao.host import lima_home

    with contextlib.suppress(CallaoError, OSError):
        return [name for name in read_networks(lima_home()).by_name if name.startswith(begun)]
    return []


def templates(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of templates, the user's own too; files where none fits."""
    from callao.host import lima_home
    from callao.templates import all_names

    found: list[str] = []
    with contextlib.suppress(CallaoError, OSError):
        found = all_names(lima_home())
    return _or_files([name for name in found if name.startswith(begun)], begun)


def instances_or_templates(
    ctx: click.Context, parameter: click.Parameter, begun: str
) -> list[str] | list[CompletionItem]:
    """For ``start``: what is there, else what could be made."""
    return instances(ctx, parameter, begun) or templates(ctx, parameter, begun)


def instances_or_files(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For ``edit``."""
    return _or_files(instances(ctx, parameter, begun), begun)


def places(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For ``copy``: ``INSTANCE:``, or a file of the host."""
    return _or_files([f"{name}:" for name in instances(ctx, parameter, begun)], begun)


def _or_files(names: list[str], begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names] or [CompletionItem(begun, type="file")]
