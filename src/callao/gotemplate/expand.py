# SPDX-License-Identifier: GPL-3.0-or-later
"""A text's templates executed, and which parameters they name."""

from __future__ import annotations

from collections.abc import Iterator

from callao.errors import ExpressionError
from callao.gotemplate import nodes
from callao.gotemplate.budget import LARGEST
from callao.gotemplate.evaluator import evaluate
from callao.gotemplate.functions import BUILTINS
from callao.gotemplate.parser import Parsed, parse
from callao.gotemplate.values import Value


def execute(text: str, dot: Value, *, name: str = "") -> str:
    """What ``text`` comes to.

    :param dot: what ``.`` is.
    :param name: of the template, for ``{{template}}``.
    :raises ExpressionError: when it is no template, or cannot be executed with these values.
    """
    return text if "{{" not in text else evaluate(_parsed(text, name), dot, BUILTINS)


def fields_named(text: str, first: str) -> set[str]:
    """Which ``X`` of ``.FIRST.X`` the templates in ``text`` name, ``index .FIRST "X"`` included.

    :raises ExpressionError: when ``text`` is no template.
    """
    if "{{" not in text:
        return set()
    found: set[str] = set()
    for body in _parsed(text, "").templates.values():
        for operand in _operands(body):
            found.update(_named(operand, first))
    return found


def _parsed(text: str, name: str) -> Parsed:
    if len(text) > LARGEST:
        raise ExpressionError(f"a template of more than {LARGEST} characters", line=1, column=1)
    return parse(text, functions=BUILTINS, name=name)


Words = tuple[nodes.Operand, ...]


def _operands(body: nodes.Body) -> Iterator[Words]:
    """Each command, and each command in its parentheses."""
    for node in body:
        match node:
            case nodes.Action() | nodes.Call():
                yield from _commands(node.pipeline)
            case nodes.If() | nodes.With() | nodes.Range():
                yield from _commands(node.pipeline)
                yield from _operands(node.body)
                yield from _operands(node.otherwise or ())


def _commands(pipeline: nodes.Pipeline | None) -> Iterator[Words]:
    for command in pipeline.commands if pipeline else ():
        yield command.words
        for word in command.words:
            inner = word.operand if isinstance(word, nodes.Chain) else word
            if isinstance(inner, nodes.Pipeline):
                yield from _commands(inner)


def _named(words: Words, first: str) -> Iterator[str]:
    paths = [_path(word) for word in words]
    yield from (path[1] for path in paths if len(path) > 1 and path[0] == first)
    match words:
        case (nodes.Function(name="index"), _, nodes.Constant(value=str(key)), *_) if paths[1] == (first,):
            yield key


def _path(word: nodes.Operand) -> tuple[str, ...]:
    match word:
        case nodes.Field():
            return word.names
        case nodes.Variable(name="$"):
            return word.fields
    return ()
