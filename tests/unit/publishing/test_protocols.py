# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/protocols.md and docs/architecture.md held against the code that they describe."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache

import pytest
from support.release import ROOT

from callao.guest import messages
from callao.guest.frames import PROTOCOL, FrameKind
from callao.hostagent.api import routes
from callao.hostagent.api.answers import (
    EgressAnswer,
    EmptyAnswer,
    ForwardsAnswer,
    GivenAnswer,
    InfoAnswer,
    RefreshAnswer,
    SecretsAnswer,
)
from callao.hostagent.api.mounts_api import MountRequest
from callao.hostagent.api.save_api import SaveAnswer, SaveRequest
from callao.hostagent.api.secrets_api import GiveSecretRequest
from callao.hostagent.mounts.shares import ActiveMount

PROTOCOLS = (ROOT / "docs/protocols.md").read_text()
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
ENGINE = ROOT / "src/callao"
ANSWERS: dict[str, type] = {
    "InfoAnswer": InfoAnswer,
    "RefreshAnswer": RefreshAnswer,
    "list[ActiveMount]": ActiveMount,
    "ForwardsAnswer": ForwardsAnswer,
    "EgressAnswer": EgressAnswer,
    "SecretsAnswer": SecretsAnswer,
    "GivenAnswer": GivenAnswer,
    "SaveAnswer": SaveAnswer,
    "EmptyAnswer": EmptyAnswer,
}
SAME_ANSWER = {
    "ADD_MOUNT": "LIST_MOUNTS",
    "REMOVE_MOUNT": "LIST_MOUNTS",
    "ADD_FORWARD": "LIST_FORWARDS",
    "REMOVE_FORWARD": "LIST_FORWARDS",
}
"""Routes whose answer the table describes in the row of another route."""
ROUTES = {name: value for name, value in vars(routes).items() if isinstance(value, routes.Route)}


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the Markdown table whose first column has this heading."""
    (body,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|\n").split("|")] for row in body.splitlines()]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields(cell: str) -> set[str]:
    """The names in a cell, without what is in parentheses."""
    return set(code(re.sub(r"\([^)]*\)", "", cell)))


@cache
def served() -> tuple[tuple[str, str], ...]:
    """The name of each route that the host agent has a handler for, and the type that it returns."""
    return tuple(_served())


def _served() -> Iterator[tuple[str, str]]:
    for path in (ENGINE / "hostagent/api").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        returned = {
            each.name: ast.unparse(each.returns)
            for each in nodes
            if isinstance(each, ast.AsyncFunctionDef) and each.returns is not None
        }
        for node in nodes:
            for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
                if isinstance(key, ast.Attribute) and ast.unparse(key.value) == "routes":
                    yield key.attr, returned[ast.unparse(value).removeprefix("self.")]


def test_the_table_has_every_route_of_the_host_agent() -> None:
    assert {(code(row[0])[0], code(row[1])[0]) for row in table(PROTOCOLS, "method")} == set(ROUTES.values())


def test_every_route_has_one_handler_and_no_other_module_spells_a_path() -> None:
    assert sorted(name for name, _ in served()) == sorted(ROUTES)
    spelled = [
        path.name
        for path in ENGINE.rglob("*.py")
        if path.name != "routes.py" and re.search(r"""["']/v1/""", path.read_text())
    ]
    assert spelled == []


@pytest.mark.parametrize(
    ("route", "struct"),
    [
        (routes.ADD_MOUNT, MountRequest),
        (routes.SAVE, SaveRequest),
        (routes.GIVE_SECRET, GiveSecretRequest),
        (routes.ADD_FORWARD, None),
    ],
)
def test_the_table_has_the_fields_of_a_body(route: routes.Route, struct: type | None) -> None:
    """A rule of port forwarding is described where lima.yaml is."""
    known = set() if struct is None else set(struct.__struct_encode_fields__)
    assert fields(rows()[route][2]) - {"portForwards", "lima.yaml"} == known


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_the_table_has_the_fields_of_the_type_that_the_handler_returns(name: str) -> None:
    """The first sentence lists the fields; where it refers to another row, both handlers return one type."""
    returned = dict(served())
    listed = fields(rows()[ROUTES[name]][3].split(". ")[0])
    if returned[name] == "http.Content":  # no JSON, so it has no fields
        assert listed == set()
    elif name in SAME_ANSWER:
        assert listed <= {"GET"}
        assert returned[name] in returned[SAME_ANSWER[name]]
    else:
        assert listed - {"{}"} == keys(ANSWERS[returned[name]])


def rows() -> dict[tuple[str, str], list[str]]:
    return {(code(row[0])[0], code(row[1])[0]): row for row in table(PROTOCOLS, "method")}


def keys(record: type) -> set[str]:
    """The keys of the JSON object that the record becomes."""
    return set(getattr(record, "__struct_encode_fields__", None) or record.__annotations__)


def test_the_tables_have_every_message_and_its_fields() -> None:
    for heading, known in (
        ("message to the guest", messages.TO_GUEST),
        ("message from the guest", messages.FROM_GUEST),
    ):
        rows = table(PROTOCOLS, heading)
        assert {code(row[0])[0]: fields(row[1]) for row in rows} == {
            name: set(names) for name, names in known.items()
        }


def test_the_table_has_every_kind_of_piece() -> None:
    assert {(code(row[0])[0], int(row[1])) for row in table(PROTOCOLS, "kind")} == {
        (kind.name, kind.value) for kind in FrameKind
    }
    assert f"Protocol version: `{PROTOCOL}`" in PROTOCOLS


def said(folder: str) -> set[str]:
    """The type of each message that is written down there."""
    return {
        value.value
        for path in (ENGINE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "type" and isinstance(value, ast.Constant)
    }


def test_each_side_sends_the_messages_of_its_table_and_no_others() -> None:
    assert said("guest") == set(messages.FROM_GUEST)
    assert said("hostagent") == set(messages.TO_GUEST) - {"scan"}  # the host has no need to ask


def test_the_table_of_packages_is_the_contract_of_imports() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rows = [code(row[0]) for row in table(ARCHITECTURE, "packages of `callao`")]
    assert [sorted(row) for row in rows] == [sorted(layer.split(" | ")) for layer in contract["layers"]]


def test_a_path_that_the_page_names_is_there() -> None:
    paths = {each for each in code(ARCHITECTURE) if re.match(r"(src|plugins|tests|docs|meta)/", each)}
    assert len(paths) > 20
    assert sorted(each for each in paths if not (ROOT / each).exists()) == []


def test_a_word_in_the_picture_that_names_a_package_is_one() -> None:
    picture = (ROOT / "docs/pictures/architecture.svg").read_text()
    named = set(re.findall(r"callao\.(\w+)", picture))
    assert named >= {"cli", "guest", "molecule", "testing"}
    assert sorted(each for each in named if not (ENGINE / each).is_dir()) == []
