# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diff shows of secrets."""

from __future__ import annotations

from typing import Any

import pytest

from callao.config.secrets import MASK, masked


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "token", "GITHUB_TOKEN", "clientSecret", "API_KEY", "privateKey"]
)
@pytest.mark.parametrize("field", ["env", "param"])
def test_a_variable_whose_name_says_so_is_masked(field: str, name: str) -> None:
    assert masked({field: {name: "hunter2", "PATH": "/bin"}}) == {field: {name: MASK, "PATH": "/bin"}}


@pytest.mark.parametrize(
    ("permissions", "is_masked"), [("600", True), ("0400", True), ("640", False), ("644", False)]
)
def test_the_content_of_a_file_that_only_its_owner_reads_is_masked(
    permissions: str, is_masked: bool
) -> None:
    entry = {"mode": "data", "path": "/etc/key", "content": "hunter2", "permissions": permissions}
    (shown,) = masked({"provision": [entry]})["provision"]  # type: ignore[misc]
    assert shown["content"] == (MASK if is_masked else "hunter2")


def test_all_else_is_shown_as_it_is() -> None:
    document: dict[str, Any] = {
        "cpus": 2,
        "provision": [{"mode": "system", "script": "true"}, "odd"],
        "env": None,
    }
    assert masked(document) == document
