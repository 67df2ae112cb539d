# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions in yq's language, as limactl takes them, as far as jq's library can evaluate them.

The two languages share most of their syntax. Two differences count most: yq compares scalars by their text,
so that ``.disk == "1048576"`` is true of a number, and it has functions that read the environment and files.
:mod:`callao.config.yq_functions` has the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from callao.config.jq_expression import jq_results, one_mapping, set_error
from callao.config.run_jq import JqFailed
from callao.config.yq_functions import PRELUDE, in_jq_syntax
from callao.errors import CallaoError

_ENVIRONMENT = re.compile(r"(?<![\w.$])(?:strenv|env|envsubst)\s*\(|\$ENV\b|(?<![\w.$])envsubst\b")
_FILES = re.compile(
    r"(?<![\w.$])(?:load|load_\w+)\s*\(|(?<![\w.$])(?:import|include|input_filename|get_search_list)\b"
)
_SYSTEM = re.compile(r"(?<![\w.$])system\s*\(")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class YqError(CallaoError):
    """An expression that cannot be evaluated, or asks for what it must not have."""


def evaluate_yq(expression: str, document: object, environment: dict[str, str] | None = None) -> list[Any]:
    """All results of the expression on one document.

    :param environment: the variables that ``env(NAME)`` and ``strenv(NAME)`` may read; None for none.
    :raises YqError: when it is no expression that jq can evaluate, or reads files or runs programs.
    """
    if environment is not None:
        expression = _with_variables(expression, environment)
    _refuse_others(expression)
    program = f"{PRELUDE}{{}} as $ENV | (\n{in_jq_syntax(expression)}\n)"
    try:
        return jq_results(program, document)
    except JqFailed as error:
        words = re.sub(r" at <top-level>.*", "", str(error))
        if "operations have been disabled" in words:
            raise YqError(words) from None
        raise YqError(
            f"{expression!r} is invalid input: {words}.",
            hint="It is evaluated by jq's library, which has not all of yq's operators.",
        ) from None


def apply_yq(document: Mapping[str, object], expression: str) -> dict[str, object]:
    """``document`` changed by ``expression``.

    :raises ConfigError: when it cannot be evaluated, or its result is not one mapping.
    """
    try:
        results = evaluate_yq(expression, document)
    except YqError as error:
        raise set_error(expression, str(error), "yq") from None
    return one_mapping(results, expression, "yq")


def piped(expressions: Iterable[str]) -> str:
    """Several expressions, each of which gets the results of the one before."""
    return " | ".join(f"({each})" for each in expressions)


def _refuse_others(expression: str) -> None:
    code = _STRING.sub('""', expression)
    if _ENVIRONMENT.search(code):
        raise YqError("env operations have been disabled")
    if _FILES.search(code):
        raise YqError("file operations have been disabled")
    if _SYSTEM.search(code):
        raise YqError("system operations are disabled")


def _with_variables(expression: str, environment: dict[str, str]) -> str:
    """``env(NAME)`` replaced by the variable's value, read as YAML, and ``strenv(NAME)`` by its text."""
    import json

    import yaml

    def value(match: re.Match[str]) -> str:
        if match[1] is None:  # a string literal
            return match[0]
        kind, name = match[1], match[2]
        if name not in environment:
            raise YqError(f"value for env variable {name!r} not provided in {kind}()")
        text = environment[name]
        return json.dumps(text if kind == "strenv" else yaml.safe_load(text), default=str)

    pattern = rf"{_STRING.pattern}|(?<![\w.$])(env|strenv)\(\s*(\w+)\s*\)"
    return re.sub(pattern, value, expression)
