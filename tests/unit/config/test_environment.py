# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the environment in mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config import with_environment
from callao.errors import ConfigError
from callao.templates import with_override_files

ENVIRONMENT = {"HOME": "/home/ann", "WORK_DIR": "/work", "EMPTY": ""}


@pytest.mark.parametrize(
    ("location", "replaced"),
    [
        ("$HOME/src", "/home/ann/src"),
        ("${HOME}src", "/home/annsrc"),
        ("$WORK_DIR", "/work"),
        ("/a/$$HOME", "/a/$HOME"),
        ("/a/$1", "/a/$1"),
        ("~/x", "~/x"),
    ],
)
def test_variables_are_replaced(location: str, replaced: str) -> None:
    document = with_environment({"mounts": [{"location": location}]}, ENVIRONMENT)
    assert document == {"mounts": [{"location": replaced}]}


@pytest.mark.parametrize("name", ["NONE", "EMPTY"])
def test_a_variable_that_is_not_set_is_named(name: str) -> None:
    mounts = [{"location": "/x"}, {"location": f"${{{name}}}/y"}]
    with pytest.raises(ConfigError, match=rf"mounts\[1\]\.location.*{name}, which is not set.*allowed"):
        with_environment({"mounts": mounts}, ENVIRONMENT)


@pytest.mark.parametrize("mounts", [None, 7, ["$HOME"], [{"location": 7}], [{}]])
def test_what_is_no_mount_is_left_to_validation(mounts: object) -> None:
    assert with_environment({"mounts": mounts}, ENVIRONMENT) == {"mounts": mounts}


def test_templates_and_the_users_layers_may_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECT", "/srv/project")
    (tmp_path / "_config").mkdir()
    (tmp_path / "_config" / "default.yaml").write_text("mounts: [{location: $PROJECT/a}]\n")
    document = with_override_files({"mounts": [{"location": "${PROJECT}/b"}]}, tmp_path)
    assert document["mounts"] == [{"location": "/srv/project/a"}, {"location": "/srv/project/b"}]
