# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template is parsed into. Each node knows its ``place``, an offset into the template's text."""

from __future__ import annotations

from dataclasses import dataclass

from callao.gotemplate.numbers import Number


@dataclass(frozen=True, slots=True)
class Text:
    place: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    place: int


@dataclass(frozen=True, slots=True)
class Nil:
    place: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A boolean or a string."""

    place: int
    value: bool | str


@dataclass(frozen=True, slots=True)
class NumberConstant:
    place: int
    number: Number


@dataclass(frozen=True, slots=True)
class Field:
    """``.A.B``: looked up in the dot."""

    place: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """``$x.A.B``; the variable's name has its ``$``."""

    place: int
    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    place: int
    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """``(pipeline).A.B``."""

    place: int
    operand: Operand
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets what the one before it came to as its last argument."""

    place: int
    commands: tuple[Command, ...]
    declared: tuple[str, ...]
    """Variables that the value is given to."""

    assigns: bool
    """Whether they were declared before."""


Operand = Dot | Nil | Constant | NumberConstant | Field | Variable | Function | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Command:
    place: int
    words: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Action:
    place: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    place: int
    pipeline: Pipeline
    body: Body
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class With:
    place: int
    pipeline: Pipeline
    body: Body
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class Range:
    place: int
    pipeline: Pipeline
    body: Body
    otherwise: Body | None


@dataclass(frozen=True, slots=True)
class Break:
    place: int


@dataclass(frozen=True, slots=True)
class Continue:
    place: int


@dataclass(frozen=True, slots=True)
class Call:
    """``{{template "name" pipeline}}``."""

    place: int
    name: str
    pipeline: Pipeline | None


Node = Text | Action | If | With | Range | Break | Continue | Call
Body = tuple[Node, ...]
