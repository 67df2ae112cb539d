# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a document by a jq expression, as in ``--set '.cpus = 2 | .memory = "2GiB"'``.

The language is jq's (its manual, section "Assignment"), by the jq library itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from callao.errors import ConfigError, Problem


def apply_jq(document: Mapping[str, object], expression: str) -> dict[str, object]:
    """``document`` changed by ``expression``.

    :raises ConfigError: when it is no expression, or its result is not one mapping.
    """
    import jq

    try:
        results = jq.compile(expression).input_value(document).all()
    except ValueError as error:
        message = str(error).strip().splitlines()[0].removeprefix("jq: error: ")
        raise _set_error(expression, f"jq: {message}") from None
    if len(results) != 1 or not isinstance(results[0], dict):
        raise _set_error(expression, "its result is not one mapping")
    return dict(results[0])


def query_document(document: Mapping[str, object], expression: str) -> str:
    """The results of ``expression`` on ``document``: each as YAML, strings as they are.

    :raises ConfigError: when it is no expression.
    """
    import jq
    import yaml

    try:
        results = jq.compile(expression).input_value(document).all()
    except ValueError as error:
        message = str(error).strip().splitlines()[0]
        raise ConfigError(
            [Problem("--query", expression, f"jq: {message}", "a jq expression, such as .images[].arch")]
        ) from None
    texts = [each if isinstance(each, str) else yaml.safe_dump(each) for each in results]
    return "".join(text.removesuffix("...\n").removesuffix("\n") + "\n" for text in texts)


def _set_error(expression: str, message: str) -> ConfigError:
    return ConfigError([Problem("--set", expression, message, "a jq expression, such as .cpus = 2")])
