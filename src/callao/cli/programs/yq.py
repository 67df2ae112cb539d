# SPDX-License-Identifier: GPL-3.0-or-later
"""``limactl yq`` and ``yq.lima``: a yq on PATH, and without one the part of yq that jq's library can do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import callao
from callao.errors import CallaoError

_AUTHOR = "mikefarah"
"""Part of what ``yq --version`` prints. Another program of that name, a Python one, has other options."""


class Request(NamedTuple):
    """A line for yq; ``indent`` 0 is one line a document."""

    expression: str = "."
    files: tuple[str, ...] = ()
    null_input: bool = False
    input_form: str = "yaml"
    output_form: str = ""
    indent: int = 2
    raw: bool = True
    separators: bool = True
    env_allowed: bool = True
    exit_status: bool = False


_SWITCHES: dict[str, dict[str, Any]] = {
    "-n": {"null_input": True}, "--null-input": {"null_input": True},
    "-r": {"raw": True}, "--unwrapScalar": {"raw": True}, "--unwrapScalar=false": {"raw": False},
    "-N": {"separators": False}, "--no-doc": {"separators": False},
    "-e": {"exit_status": True}, "--exit-status": {"exit_status": True},
    "-M": {}, "--no-colors": {}, "-P": {}, "--prettyPrint": {}, "--security-disable-file-ops": {},
    "--security-disable-env-ops": {"env_allowed": False},
}  # fmt: skip
_VALUED = {
    "-p": "input_form", "--input-format": "input_form", "-o": "output_form",
    "--output-format": "output_form", "-I": "indent", "--indent": "indent", "--expression": "expression",
}  # fmt: skip
_FORMS = {"yaml": "yaml", "y": "yaml", "auto": "yaml", "a": "yaml", "json": "json", "j": "json"}


def run(words: Sequence[str]) -> int:
    """Become the yq on PATH, or answer in its place; returns the exit status."""
    program = _installed()
    if program is not None:
        os.execv(program, ["yq", *words])  # noqa: S606
    try:
        if words in (["--version"], ["-V"]):
            sys.stdout.write(
                f"yq (the part of https://github.com/{_AUTHOR}/yq/ that callao has without it) "
                f"version v{callao.__version__}\n"
            )
            return 0
        return _answer(parse(words))
    except CallaoError as error:
        sys.stderr.write(f"Error: {error.message.removesuffix('.')}\n")
        return 1


def parse(words: Sequence[str]) -> Request:
    """The request that the words make.

    :raises CallaoError: for an option that only yq itself has.
    """
    found: dict[str, Any] = {}
    places: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            places.append(word)
        elif word in _SWITCHES:
            found |= _SWITCHES[word]
        elif name in _VALUED and (equals or rest):
            found[_VALUED[name]] = value if equals else rest.pop(0)
        elif word[:2] in _VALUED and not word.startswith("--"):
            found[_VALUED[word[:2]]] = word[2:]
        else:
            raise CallaoError(f"{word!r} is an option of yq alone: install yq (github.com/{_AUTHOR}/yq)")
    for key in ("input_form", "output_form"):
        if key in found:
            found[key] = _form(found[key])
    if "indent" in found and not found["indent"].isdecimal():
        raise CallaoError(f"-I: {found['indent']!r} is not a number")
    found["indent"] = int(found.get("indent", 2))
    if places and places[0] in ("e", "eval"):
        places.pop(0)
    if "expression" not in found and places and not (len(places) == 1 and Path(places[0]).is_file()):
        found["expression"] = places.pop(0)
    return Request(files=tuple(places), **found)


def _form(name: str) -> str:
    if name not in _FORMS:
        raise CallaoError(f"the format {name!r} is one of yq alone (allowed: yaml, json)")
    return _FORMS[name]


def _installed() -> str | None:
    """The path of a yq on PATH that has yq's options, and is not this program."""
    found = shutil.which("yq")
    if found is None or Path(found).resolve() == Path(sys.argv[0]).resolve():
        return None
    try:
        said = subprocess.run([found, "--version"], capture_output=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found if _AUTHOR.encode() in said else None


def _answer(request: Request) -> int:
    from callao.config.yq_expression import evaluate_yq

    environment = dict(os.environ) if request.env_allowed else None
    shown, truth = 0, False
    for document in _documents(request):
        for index, result in enumerate(evaluate_yq(request.expression, document, environment)):
            whole = isinstance(result, dict | list)
            if shown and index == 0 and whole and request.separators and request.output_form != "json":
                sys.stdout.write("---\n")
            sys.stdout.write(_text(result, request) + "\n")
            shown += 1
            truth = truth or (result is not None and result is not False)
    return 1 if request.exit_status and not truth else 0


def _documents(request: Request) -> Iterator[Any]:
    import yaml

    if request.null_input:
        yield None
        return
    for file in request.files or ("-",):
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
            documents = (
                _json_values(text) if request.input_form == "json" else list(yaml.safe_load_all(text))
            )
        except OSError as error:
            raise CallaoError(f"{file}: {error.strerror}") from None
        except (ValueError, yaml.YAMLError) as error:
            raise CallaoError(f"{file} is not {request.input_form}: {error}") from None
        yield from documents


def _json_values(text: str) -> list[Any]:
    """JSON values one after another, with any white space between them."""
    import json

    decoder, values, place = json.JSONDecoder(), [], 0
    while place < len(text := text.rstrip()):
        while text[place].isspace():
            place += 1
        value, place = decoder.raw_decode(text, place)
        values.append(value)
    return values


def _text(value: Any, request: Request) -> str:
    import json

    from callao.config.yamltext import dump_value

    if isinstance(value, str) and request.raw:
        return value
    if request.output_form == "json":
        if request.indent:
            return json.dumps(value, indent=request.indent, ensure_ascii=False, default=str)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return dump_value(value).rstrip("\n")
