# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every lima.yaml."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from unit.config.documents import NAMED, documents, grafted, without_null
from unit.config.test_effective import HOST, TREES

from callao.config import (
    Config,
    check_schema,
    dump,
    effective,
    json_schema,
    load,
    locate_problems,
    merge,
    to_document,
)
from callao.config.coercion import schema_problems
from callao.errors import ConfigError

DIR = Path("/home/ann/.lima/web")
VALIDATOR = Draft202012Validator(json_schema())
SLOW = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
"""Cases enough for each run; tests/bench/fuzz_config.py goes on for as long as it is told."""

WHOLE: dict[str, Any] = to_document(
    effective(
        {
            "images": [{"location": "/img", "arch": "x86_64", "kernel": {"location": "/k"}}],
            "mounts": [{"location": "~", "writable": True}],
            "portForwards": [{"guestPort": 80}, {"guestSocket": "/a", "hostSocket": "b"}],
            "provision": [{"script": "echo $PARAM_a"}, {"mode": "data", "path": "/x", "content": "y"}],
            "probes": [{"script": "#!/bin/sh\ntrue\n", "hint": "wait"}],
            "networks": [{"socket": "/s"}],
            "additionalDisks": ["data"],
            "copyToHost": [{"guest": "/g", "host": "/h"}],
            "hostResolver": {"hosts": {"a": "b"}},
            "env": {"A": "b"},
            "param": {"a": "c"},
        },
        HOST,
        name="web",
        instance_dir=DIR,
    )
)
"""Every field that has a default, and an entry in each list."""


@SLOW
@given(documents())
def test_what_the_schema_gives_survives_its_text(document: dict[str, Any]) -> None:
    assert load(dump(document), "test") == document


@SLOW
@given(documents())
def test_what_the_schema_gives_has_the_shape_by_both_accounts(document: dict[str, Any]) -> None:
    assert schema_problems(document) == []
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@SLOW
@given(documents().map(without_null), documents().map(without_null), documents().map(without_null))
def test_merging_whole_documents_is_associative(one: Any, two: Any, three: Any) -> None:
    """Maps, scalars and lists, with names or without; not so an explicit null, which takes away what the
    layers below have and is gone then, and the entry ``*``, see below."""
    merged = merge([one, two, three])
    assert merged == merge([merge([one, two]), three])
    assert merged == merge([one, merge([two, three])])


ONCE = ("caCerts", "mountTypesUnsupported")
"""Merging leaves each entry of their lists there once, also of one document's."""


@SLOW
@given(documents(without=NAMED))
def test_nothing_over_a_document_is_the_document(document: dict[str, Any]) -> None:
    merged = merge([document])
    assert merged == merge([{}, document]) == merge([document, {}])
    assert merged.keys() == document.keys()
    assert all(merged[key] == document[key] for key in document if key not in ONCE)


def test_a_star_speaks_for_the_layers_it_is_merged_with_and_is_gone_after() -> None:
    """So with ``*`` the order of merging matters, and all layers have to be merged at once."""
    star = {"mounts": [{"location": "*", "mountPoint": "*", "writable": True}]}
    under = {"mounts": [{"location": "/x"}]}
    assert merge([under, {}, star]) == {"mounts": [{"location": "/x", "writable": True}]}
    assert merge([under, merge([{}, star])]) == {"mounts": [{"location": "/x"}]}


def outcome(document: dict[str, Any], text: str = "") -> Config | ConfigError:
    try:
        return effective(document, HOST, name="web", instance_dir=DIR, source="x.yaml", text=text)
    except ConfigError as error:
        return error


def told_or_taken(document: dict[str, Any]) -> None:
    """Whatever is wrong is told, by the one kind of error; what is right means the same again."""
    with contextlib.suppress(ConfigError):
        check_schema(document)
    found = outcome(document)
    if isinstance(found, Config):
        again = outcome(to_document(found))
        assert isinstance(again, Config)
        assert to_document(again) == to_document(found)
        return
    assert found.problems
    assert all(each.path and each.message and each.allowed for each in found.problems), found


@SLOW
@given(documents())
def test_any_document_of_the_schema_is_taken_or_refused(document: dict[str, Any]) -> None:
    told_or_taken(document)
    told_or_taken({"images": [{"location": "/x"}], **document})


@settings(SLOW, max_examples=150)
@given(st.data(), TREES)
def test_any_value_anywhere_is_taken_or_refused(data: st.DataObject, value: Any) -> None:
    told_or_taken(grafted(WHOLE, value, data.draw))


@settings(SLOW, max_examples=100)
@given(st.data(), TREES)
def test_each_problem_of_a_text_has_a_line(data: st.DataObject, value: Any) -> None:
    text = dump(grafted(WHOLE, value, data.draw))
    with contextlib.suppress(ConfigError):
        found = outcome(load(text, "x.yaml"), text)
        if isinstance(found, ConfigError):
            assert all(each.line and each.column for each in found.problems), found
            assert locate_problems(found.problems, text) == list(found.problems)


@settings(SLOW, max_examples=300)
@given(st.text(st.characters(exclude_categories=())) | st.text(":-[]{}&*!|>'\"#%@`,? \n\tab1<~"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        told_or_taken(load(text, "x"))


@pytest.mark.parametrize("key", NAMED)
def test_entries_with_names_are_combined_even_in_one_document(key: str) -> None:
    name = {"additionalDisks": "name", "mounts": "mountPoint", "networks": "interface"}[key]
    assert len(merge([{key: [{name: "a"}, {name: "a"}, {name: "b"}]}])[key]) == 2  # type: ignore[arg-type]
