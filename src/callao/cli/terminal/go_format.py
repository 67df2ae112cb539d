# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints an instance by a Go template, as ``limactl list --format`` does, with limactl's functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callao.config.go_structs import go_struct, json_value, with_single_ports
from callao.config.yamltext import dump_value
from callao.errors import CallaoError, ExpressionError
from callao.gotemplate import Builtin, GoList, StringMap, Struct, Value, execute

_DEFAULT_INDENT = 2
_MAX_INDENT = 1000
_DATA = "store.FormatData"


def go_renderer(form: str) -> Callable[[Mapping[str, Any]], str]:
    """A function that prints the fields of an instance, see ``instance_fields``, by a Go template.

    :raises CallaoError: when the template is invalid, or asks for what there is not.
    """

    def render(values: Mapping[str, Any]) -> str:
        try:
            return execute(form, _data(values), name="format", functions=_functions(values))
        except ExpressionError as error:
            raise CallaoError(
                f"--format: {form!r}: {error}", hint="'callao list --list-fields' names the fields."
            ) from None

    return render


def _data(values: Mapping[str, Any]) -> Struct:
    config = values["config"]
    document = {
        **values,
        "networks": values["network"],
        "config": None if config is None else with_single_ports(config),
    }
    instance = go_struct("Instance", document)
    host = {name: values[name] for name in ("HostOS", "HostArch", "LimaHome", "IdentityFile")}
    own = {
        "Template": values["template"] or "",
        "Labels": StringMap(values["labels"]),
        "Ready": values["ready"],
        "Forwards": GoList([GoList(each, "[]string") for each in values["forwards"]], "[][]string"),
    }
    return Struct({**instance.fields, "Instance": instance, **host, **own}, _DATA)


def _functions(values: Mapping[str, Any]) -> dict[str, Builtin]:
    def plain(value: Value) -> Any:
        """The whole instance has the same fields as with ``--json``."""
        whole = isinstance(value, Struct) and value.type_name == _DATA
        return dict(values) if whole else json_value(value)

    def as_json(arguments: Sequence[Value]) -> str:
        return json.dumps(plain(arguments[0]), separators=(",", ":"), ensure_ascii=False)

    def as_yaml(arguments: Sequence[Value]) -> str:
        return "---\n" + dump_value(plain(arguments[0])).removesuffix("\n")

    return {
        "json": Builtin(as_json, 1, 1),
        "yaml": Builtin(as_yaml, 1, 1),
        "indent": Builtin(_indent, 1, 2),
        "missing": Builtin(_missing, 1, 2),
    }


def _indent(arguments: Sequence[Value]) -> str:
    size = arguments[0] if len(arguments) == 2 else _DEFAULT_INDENT
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_INDENT:
        raise ValueError(f"the first argument of two is a number of spaces, 0 to {_MAX_INDENT}")
    lines = _text(arguments[-1]).split("\n")
    return "\n".join(" " * size + each if each else each for each in lines)


def _missing(arguments: Sequence[Value]) -> str:
    message = _text(arguments[0]) if len(arguments) == 2 else "<missing>"
    return _text(arguments[-1]) or message


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("the last argument is a text")
    return value
