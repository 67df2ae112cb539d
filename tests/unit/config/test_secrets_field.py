# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from config.test_hostname import config

from callao.config import changes, merge, to_document
from callao.config.schema import Secret
from callao.errors import ConfigError
from callao.instances import fingerprint
from callao.instances.effects import Effect, effect_of


def test_a_secret_has_its_source_and_comes_back_as_it_was_written() -> None:
    written = [{"name": "token", "file": "~/token"}, {"name": "KEY", "env": "KEY"}, {"name": "later"}]
    found = config(secrets=written)
    assert found.secrets == (
        Secret(name="token", file="~/token"),
        Secret(name="KEY", env="KEY"),
        Secret(name="later"),
    )
    assert "secrets" not in to_document(config())
    assert "secrets" in to_document(found)


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({}, "secrets[0].name"),
        ({"name": "../x"}, "secrets[0].name"),
        ({"name": ".x"}, "secrets[0].name"),
        ({"name": "a'b"}, "secrets[0].name"),
        ({"name": "x" * 65}, "secrets[0].name"),
        ({"name": "x\n"}, "secrets[0].name"),
        ({"name": "x", "file": "/x", "env": "X"}, "secrets[0].env"),
        ({"name": "x", "file": "x"}, "secrets[0].file"),
        ({"name": "x", "env": "A=B"}, "secrets[0].env"),
        ({"name": "x", "hosts": ["a.org"]}, "secrets[0].hosts"),
        ({"name": "x", "caFile": "/x"}, "secrets[0].caFile"),
        ({"name": "x", "inject": True, "hosts": ["a.org"]}, "secrets[0].inject"),
    ],
)
def test_an_entry_that_cannot_be_is_named(entry: dict[str, object], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(secrets=[entry])
    assert [each.path for each in caught.value.problems] == [path]


def test_a_name_is_there_once_and_a_base_fills_in_what_an_entry_lacks() -> None:
    with pytest.raises(ConfigError, match="is there twice"):
        config(secrets=[{"name": "x"}, {"name": "x"}])
    merged = merge([{"secrets": [{"name": "x", "env": "X"}]}, {"secrets": [{"name": "x", "file": "/x"}]}])
    assert merged["secrets"] == [{"name": "x", "env": "X"}]


def test_a_value_in_the_file_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match=r"secrets\[0\]\.value.*would be kept on the disk") as caught:
        config(secrets=[{"name": "x", "value": "hunter2"}])
    assert "hunter2" not in str(caught.value)


def test_the_host_puts_them_in_by_sudo_into_a_guest_of_linux() -> None:
    with pytest.raises(ConfigError, match=r"needs user\.passwordlessSudo"):
        config(secrets=[{"name": "x"}], plain=True, user={"passwordlessSudo": False})


def test_a_running_machine_takes_other_secrets() -> None:
    before, after = config(), config(secrets=[{"name": "x", "env": "X"}])
    assert {effect_of(each.path) for each in changes(before, after)} == {Effect.LIVE}
    assert fingerprint(before) == fingerprint(after)


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({}, "hosts"),
        ({"hosts": ["*.a.org"]}, "hosts[0]"),
        ({"hosts": ["https://a.org"]}, "hosts[0]"),
        ({"hosts": ["10.0.0.1"]}, "hosts[0]"),
        ({"hosts": ["a.org:80"]}, "hosts[0]"),
        ({"hosts": ["a.org", "a.org:22"]}, "hosts[1]"),
        ({"hosts": ["b.org"]}, "hosts[0]"),
        ({"hosts": ["a.org"], "caFile": "ca.pem"}, "caFile"),
    ],
)
def test_a_server_that_a_secret_is_for_is_one_that_egress_allows(
    entry: dict[str, object], path: str
) -> None:
    injected = {"name": "x", "env": "X", "inject": True}
    egress = {"allow": ["a.org", "*.c.org:8443"]}
    good = {**injected, "hosts": ["A.org.", "x.c.org:8443"], "caFile": "~/ca.pem"}
    assert config(egress=egress, secrets=[good]).secrets[0].hosts == ("A.org.", "x.c.org:8443")
    with pytest.raises(ConfigError) as caught:
        config(egress=egress, secrets=[{**injected, **entry}])
    assert [each.path for each in caught.value.problems] == [f"secrets[0].{path}"]
