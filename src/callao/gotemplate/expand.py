# SPDX-License-Identifier: GPL-3.0-or-later
"""Executes the templates in a text, and lists the fields that they reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from callao.errors import ExpressionError
from callao.gotemplate import nodes
from callao.gotemplate.budget import MAX_CHARACTERS
from callao.gotemplate.evaluator import MissingValue, evaluate
from callao.gotemplate.functions import BUILTINS, Builtin
from callao.gotemplate.parser import Parsed, parse
from callao.gotemplate.values import Value


def execute(
    text: str,
    dot: Value,
    *,
    name: str = "",
    missing: MissingValue = MissingValue.PRINTED,
    functions: Mapping[str, Builtin] | None = None,
) -> str:
    """The result of the template ``text``.

    :param dot: the value of ``.``.
    :param name: the template's name, for ``{{template}}``.
    :param functions: those that the template may call besides Go's own.
    :raises ExpressionError: when the template is invalid, or cannot be executed with these values.
    """
    if "{{" not in text:
        return text
    known = {**BUILTINS, **(functions or {})}
    return evaluate(_parsed(text, name, known), dot, known, missing)


def referenced_fields(text: str, first: str) -> set[str]:
    """Every ``X`` of the references ``.FIRST.X`` in ``text``.

    :raises ExpressionError: when the template is invalid.
    """
    if "{{" not in text:
        return set()
    return {
        name
        for body in _parsed(text, "").templates.values()
        for path in _paths(body)
        for before, name in pairwise(path)
        if before == first
    }


def _parsed(text: str, name: str, functions: Mapping[str, Builtin] = BUILTINS) -> Parsed:
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"a template of more than {MAX_CHARACTERS} characters", line=1, column=1)
    return parse(text, functions=functions, name=name)


Path = tuple[str, ...]


def _paths(body: nodes.Body) -> Iterator[Path]:
    """The path of each field, and of each variable's fields, anywhere in the template."""
    for node in body:
        match node:
            case nodes.Action() | nodes.TemplateCall():
                yield from _in_pipeline(node.pipeline)
            case nodes.If() | nodes.With() | nodes.Range():
                yield from _in_pipeline(node.pipeline)
                yield from _paths(node.body)
                yield from _paths(node.else_body or ())


def _in_pipeline(pipeline: nodes.Pipeline | None) -> Iterator[Path]:
    for command in pipeline.commands if pipeline else ():
        for word in command.words:
            match word:
                case nodes.Field():
                    yield word.names
                case nodes.Variable() | nodes.Chain():
                    yield word.fields
            inner = word.operand if isinstance(word, nodes.Chain) else word
            if isinstance(inner, nodes.Pipeline):
                yield from _in_pipeline(inner)
