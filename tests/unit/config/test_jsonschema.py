# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema says what validation says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from unit.config.test_effective import KEYS, TREES
from unit.config.test_rules import RULES

from callao.config import json_schema, load
from callao.config.coercion import fields_of, schema_problems
from callao.config.descriptions import DESCRIPTIONS
from callao.config.schema import Config

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
TEMPLATES = sorted((Path(__file__).parents[3] / "templates").rglob("*.yaml"))

BAD: list[dict[str, Any]] = [
    {"mountz": []},
    {"cpus": -1},
    {"cpus": 2.5},
    {"cpus": "two"},
    {"cpus": True},
    {"memory": "4 parsecs"},
    {"disk": -1},
    {"disk": True},
    {"arch": "m68k"},
    {"images": [{"location": "/x", "arch": "default"}]},
    {"images": "/x"},
    {"images": [None]},
    {"base": {"url": []}},
    {"base": [[]]},
    {"additionalDisks": [[]]},
    {"portForwards": [{"guestPort": 65536}]},
    {"provision": [{"permissions": 644}]},
    {"portForwards": [{"guestPortRange": [1]}]},
    {"portForwards": [{"guestPortRange": [0, 1]}]},
    {"env": {"A": ["b"]}},
    {"mounts": [{"9p": {"msize": 1024}}]},
    {"ssh": {"localport": 1}},
    {"rosetta": True},
]


def test_it_is_a_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "lima.yaml"
    assert SCHEMA["$id"]


def records() -> list[type]:
    found = [Config]
    names = {record.__name__: record for record in DESCRIPTIONS}
    return found + [names[name] for name in SCHEMA["$defs"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("record", records(), ids=lambda record: record.__name__)
def test_each_field_has_a_sentence(record: type) -> None:
    assert set(DESCRIPTIONS[record]) == set(fields_of(record))
    for text in DESCRIPTIONS[record].values():
        assert text.endswith(".")
        assert text[0].isupper() or text.startswith(("sha256", "vnc"))


def test_defaults_are_as_the_file_writes_them() -> None:
    properties: Any = SCHEMA["properties"]
    definitions: Any = SCHEMA["$defs"]
    assert properties["disk"]["default"] == "100GiB"
    assert properties["os"]["default"] == "Linux"
    assert definitions["P9"]["properties"]["msize"]["default"] == "128KiB"
    assert definitions["PortForward"]["properties"]["proto"]["default"] == "any"
    assert definitions["SSH"]["properties"]["forwardAgent"]["default"] is False
    assert properties["rosetta"]["deprecated"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_each_built_in_template_fits(path: Path) -> None:
    document = load(path.read_text(encoding="utf-8"), str(path))
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []
    assert schema_problems(document) == []


@pytest.mark.parametrize("document", BAD, ids=str)
def test_what_has_not_the_shape_does_not_fit(document: dict[str, Any]) -> None:
    assert schema_problems(document)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("document", [each for row in RULES for each in (row[0], row[3])], ids=lambda _: "")
def test_the_rules_documents_fit_when_their_shape_does(document: dict[str, Any]) -> None:
    if not schema_problems(document):
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@given(st.dictionaries(KEYS, TREES, max_size=3))
def test_whatever_has_the_shape_fits(document: dict[str, Any]) -> None:
    if not schema_problems(document):
        assert VALIDATOR.is_valid(document)


def test_no_task_pays_for_it() -> None:
    code = "import sys, callao.config; sys.exit('callao.config.jsonschema' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
