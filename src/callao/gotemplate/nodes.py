# SPDX-License-Identifier: GPL-3.0-or-later
"""The syntax tree of a template. Each node has its ``offset`` in the template's text."""

from __future__ import annotations

from dataclasses import dataclass

from callao.gotemplate.numbers import Number


@dataclass(frozen=True, slots=True)
class Text:
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    offset: int


@dataclass(frozen=True, slots=True)
class Nil:
    offset: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A boolean or a string."""

    offset: int
    value: bool | str


@dataclass(frozen=True, slots=True)
class NumberConstant:
    offset: int
    number: Number


@dataclass(frozen=True, slots=True)
class Field:
    """``.A.B``: fields of the dot."""

    offset: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """``$x.A.B``; the variable's name has its ``$``."""

    offset: int
    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """``(pipeline).A.B``."""

    offset: int
    operand: Operand
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands; each gets the result of the one before it as its last argument."""

    offset: int
    commands: tuple[Command, ...]
    declared: tuple[str, ...]
    """Variables that get the value."""

    assigns: bool
    """Whether they were declared before."""


Operand = Dot | Nil | Constant | NumberConstant | Field | Variable | Function | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Command:
    offset: int
    words: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Action:
    offset: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    offset: int
    pipeline: Pipeline
    body: Body
    else_body: Body | None


@dataclass(frozen=True, slots=True)
class With:
    offset: int
    pipeline: Pipeline
    body: Body
    else_body: Body | None


@dataclass(frozen=True, slots=True)
class Range:
    offset: int
    pipeline: Pipeline
    body: Body
    else_body: Body | None


@dataclass(frozen=True, slots=True)
class Break:
    offset: int


@dataclass(frozen=True, slots=True)
class Continue:
    offset: int


@dataclass(frozen=True, slots=True)
class TemplateCall:
    """``{{template "name" pipeline}}``."""

    offset: int
    name: str
    pipeline: Pipeline | None


Node = Text | Action | If | With | Range | Break | Continue | TemplateCall
Body = tuple[Node, ...]
