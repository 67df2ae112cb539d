# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a document by a jq expression, as in ``--set '.cpus = 2 | .memory = "2GiB"'``.

The language is jq's (its manual, section "Assignment"), by the jq library itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callao.config.run_jq import JqFailed
from callao.errors import ConfigError, Problem


def jq_results(program: str, value: object) -> list[Any]:
    """The results of a jq program of the user's own on ``value``; :func:`run_jq` is for those of others.

    :raises JqFailed: when the program is invalid, or fails.
    """
    import jq

    try:
        found: list[Any] = jq.compile(program).input_value(value).all()
    except ValueError as error:
        raise JqFailed(str(error).strip().splitlines()[0].removeprefix("jq: error: ")) from None
    return found


def apply_jq(document: Mapping[str, object], expression: str) -> dict[str, object]:
    """``document`` changed by ``expression``.

    :raises ConfigError: when it is no expression, or its result is not one mapping.
    """
    try:
        results = jq_results(expression, document)
    except JqFailed as error:
        raise set_error(expression, f"jq: {error}", "jq") from None
    return one_mapping(results, expression, "jq")


def query_document(document: Mapping[str, object], expression: str) -> str:
    """The results of ``expression`` on ``document``: each as YAML, strings as they are.

    :raises ConfigError: when it is no expression.
    """
    import yaml

    try:
        results = jq_results(expression, document)
    except JqFailed as error:
        raise ConfigError(
            [Problem("--query", expression, f"jq: {error}", "a jq expression, such as .images[].arch")]
        ) from None
    texts = [each if isinstance(each, str) else yaml.safe_dump(each) for each in results]
    return "".join(text.removesuffix("...\n").removesuffix("\n") + "\n" for text in texts)


def one_mapping(results: list[Any], expression: str, language: str) -> dict[str, object]:
    """The changed document.

    :raises ConfigError: when the results of ``--set EXPRESSION`` are not one mapping.
    """
    if len(results) != 1 or not isinstance(results[0], dict):
        raise set_error(expression, "its result is not one mapping", language)
    return dict(results[0])


def set_error(expression: str, message: str, language: str) -> ConfigError:
    """The error of ``--set EXPRESSION``."""
    return ConfigError(
        [Problem("--set", expression, message, f"a {language} expression, such as .cpus = 2")]
    )
