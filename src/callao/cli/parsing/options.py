# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands share, with limactl's names and its ``--flag[=BOOL]`` form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from callao.cli.terminal.messages import use_format, use_level
from callao.cli.terminal.output import echo

F = TypeVar("F", bound=Callable[..., Any])


GO_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""As Go's strconv.ParseBool reads them."""


class Boolean(click.Option):
    """``--flag`` or ``--flag=true|false``; None when it isn't given."""

    def __init__(self, names: list[str], **attributes: Any) -> None:
        attributes.setdefault("default", None)
        super().__init__(names, type=bool, metavar="[=BOOL]", **attributes)


def boolean(*names: str, help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """A :class:`Boolean`, as a decorator."""
    return click.option(*names, cls=Boolean, help=help)


def _common_options() -> list[click.Option]:
    """The options that may stand before a command's name, as limactl's do, and after it."""
    said: dict[str, Any] = {"hidden": True, "expose_value": False}
    return [
        click.Option(["--debug"], is_flag=True, callback=_debug, **said),
        Boolean(["--tty"], callback=_tty, **said),
        click.Option(["-y", "--yes"], is_flag=True, callback=_yes, **said),
        click.Option(["--log-level"], metavar="LEVEL", callback=_with(use_level), **said),
        click.Option(["--log-format"], metavar="FORMAT", callback=_with(use_format), **said),
    ]


def common_options(command: click.Command) -> click.Command:
    """A command with the options that are common to all."""
    command.params += _common_options()
    return command


class Command(click.Command):
    """A command that also takes the options that belong before its name, as limactl's do."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += _common_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spelled_out(self, ctx, args))


def spelled_out(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """``--plain`` as ``--plain=true``: a boolean's value only comes after ``=``.

    Otherwise ``--plain web`` would be a flag with a value. Any other flag loses ``=true``, and is left out
    with ``=false``. What belongs to another command (all that comes after the first name, where options may
    not stand there) stays as it is.
    """
    options = [each for each in command.params if isinstance(each, click.Option)]
    flags = {name for each in options if isinstance(each, Boolean) for name in each.opts}
    switches = {name for each in options if each.is_flag for name in each.opts} - flags
    valued = {name for each in options if not each.is_flag for name in each.opts} - flags
    out: list[str] = []
    rest = list(args)
    while rest:
        each = rest.pop(0)
        if each == "--" or ((each == "-" or not each.startswith("-")) and not ctx.allow_interspersed_args):
            return [*out, each, *rest]
        name, equals, value = each.partition("=")
        if equals and name in switches and value in GO_BOOLEANS:
            out += [name] if GO_BOOLEANS[value] else []
            continue
        out.append(f"{each}=true" if each in flags else each)
        if each in valued and rest:
            out.append(rest.pop(0))
    return out


def _tty(ctx: click.Context, _parameter: click.Parameter, given: bool | None) -> None:
    if given is not None:
        ctx.ensure_object(dict)["tty"] = given
        _refuse_both(ctx)


def _yes(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        ctx.ensure_object(dict)["yes"] = True
        _refuse_both(ctx)


def _refuse_both(ctx: click.Context) -> None:
    if {"tty", "yes"} <= set(ctx.ensure_object(dict)):
        raise click.UsageError("--tty and --yes exclude each other.", ctx)


def _debug(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        ctx.ensure_object(dict)["debug"] = True
        use_level("debug")


def _with(use: Callable[[str], None]) -> Callable[[click.Context, click.Parameter, str | None], None]:
    """A callback that passes the option's value on, where there is one."""

    def callback(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> None:
        if given is not None:
            use(given)

    return callback


def _separated(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an option that may be repeated, and may have several with commas, as CSV has them."""
    return tuple(value for each in given for value in _fields(each))


def _fields(text: str) -> list[str]:
    import csv

    try:
        return next(csv.reader([text]), None) or [text]
    except csv.Error as error:
        raise click.BadParameter(f"{text!r} cannot be read as values with commas: {error}.") from None


CONFIGURATION: tuple[Callable[[Any], Any], ...] = (
    click.option("--arch", help="Machine architecture: x86_64, aarch64, armv7l, ppc64le, riscv64, s390x."),
    click.option("--containerd", type=click.Choice(["user", "system", "user+system", "none"]),
                 help="Which containerd runs in the guest."),
    click.option("--cpus", type=int, help="Number of virtual CPUs."),
    click.option("--memory", type=float, metavar="GIB", help="Memory in GiB."),
    click.option("--disk", type=float, metavar="GIB", help="Disk size in GiB; an existing disk only grows."),
    click.option("--dns", multiple=True, callback=_separated, metavar="IP,…",
                 help="DNS server of the guest; host resolver off."),
    click.option("--mount", multiple=True, callback=_separated, metavar="DIR[:w],…",
                 help="Directory to share; ':w' makes it writable."),
    click.option("--mount-only", multiple=True, callback=_separated, metavar="DIR[:w],…",
                 help="As --mount, and no other directory is shared."),
    boolean("--mount-none", help="Share no directory."),
    boolean("--mount-writable", help="Make all shared directories writable."),
    boolean("--mount-inotify", help="Pass the host's file changes on to the guest."),
    click.option("--mount-type", help="How directories are shared: reverse-sshfs, 9p, virtiofs, wsl2."),
    click.option("--network", multiple=True, callback=_separated, metavar="NAME,…",
                 help="Additional network: 'lima:NAME' or 'vzNAT'."),
    click.option("--port-forward", multiple=True, metavar="HOST:GUEST[,static=true]",
                 help="Forward a port of the host to one of the guest."),
    boolean("--nested-virt", help="Let the guest run virtual machines."),
    boolean("--rosetta", help="Run Intel programs on Apple silicon (vz)."),
    boolean("--video", help="Show the guest's screen."),
    boolean("--plain", help="No shares, no automatic forwards, no container engine."),
    click.option("--ssh-port", type=int, help="Port of the host for ssh; 0 is any free one."),
    click.option("--vm-type", help="Virtual machine driver: qemu, vz, krunkit, wsl2."),
    click.option("--audio-device", metavar="DEVICE", help="QEMU's audio driver, such as coreaudio or pa."),
    click.option("--audio-interface", type=click.Choice(["hda", "virtio"]), help="The guest's sound card."),
    click.option("--shell", "user_shell", metavar="PATH", help="The guest user's login shell."),
    click.option("--param", multiple=True, metavar="KEY=VALUE", help="Value of a template's parameter."),
    click.option("--secret", multiple=True, metavar="NAME=FILE|env:VAR",
                 help="Secret that the guest gets in memory, from a file or a variable of the host."),
    click.option("--set", "expressions", multiple=True, metavar="EXPRESSION",
                 help="Change lima.yaml by a jq expression: '.cpus = 2 | .memory = \"2GiB\"'."),
)  # fmt: skip
"""The flags that change lima.yaml, in limactl's words."""


def configuration(function: F) -> F:
    """All flags of :data:`CONFIGURATION`."""
    for option in reversed(CONFIGURATION):
        function = option(function)
    return function


def image_choice(function: F) -> F:
    """``--image-variant`` and ``--arch-variant``, for the commands that make an instance."""
    for option, what in (("--arch-variant", "archVariant"), ("--image-variant", "variant")):
        function = click.option(
            option, metavar="VARIANT", help=f"Use only the images that have this {what}."
        )(function)
    return function


def warm(function: F) -> F:
    """``--warm``, for the commands that make an instance."""
    return boolean("--warm", help="Go on from the memory of one like it, in place of booting.")(function)


def lists(function: F) -> F:
    """``--list-templates`` and ``--list-drivers``, which do nothing else."""
    for option, what, names in (
        ("--list-drivers", "drivers of virtual machines", _drivers),
        ("--list-templates", "templates", _templates),
    ):
        function = click.option(
            option, is_flag=True, is_eager=True, expose_value=False, callback=_listing(names),
            help=f"List the {what} and exit.",
        )(function)  # fmt: skip
    return function


def _templates() -> list[str]:
    from callao.templates import builtin_names

    return builtin_names()


def _drivers() -> list[str]:
    from callao.drivers import driver_names

    return driver_names()


def _listing(names: Callable[[], list[str]]) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, given: bool) -> None:
        if given and not ctx.resilient_parsing:
            echo("\n".join(names()))
            ctx.exit()

    return callback


def progress(function: F) -> F:
    """``--progress``, for the commands that start an instance."""
    return boolean("--progress", help="Show the log of the first boot and of the provision scripts.")(
        function
    )


def timeout(function: F) -> F:
    """``--timeout`` in seconds or as Go writes durations."""
    help_text = "How long a start may take, such as 90s, 10m or 1h."
    return duration("--timeout", default="10m", help=help_text)(function)


def duration(name: str, *, default: str, help: str) -> Callable[[F], F]:  # noqa: A002 - click's own word
    """An option in seconds or as Go writes durations."""
    return click.option(
        name, callback=_seconds, default=default, show_default=True, metavar="DURATION", help=help
    )


def _seconds(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float:
    import re

    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", value)
    hours, minutes, seconds = (float(each or 0) for each in parts.groups()) if parts and value else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise click.BadParameter(f"{value!r} is no duration (allowed: such as 90s, 10m or 1h30m).")
    return total
