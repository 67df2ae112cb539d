# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from config.test_hostname import config

from callao.config import as_written, changes, to_document
from callao.config.schema import Egress
from callao.errors import ConfigError
from callao.instances import fingerprint
from callao.instances.effects import Effect, effect_of


@pytest.mark.parametrize("written", ["none", {}, {"allow": []}, {"allow": None}])
def test_none_and_no_entries_mean_that_nothing_is_allowed(written: object) -> None:
    assert config(egress=written).egress == Egress()


@pytest.mark.parametrize("written", [None])
def test_without_the_field_there_are_no_limits(written: object) -> None:
    assert config(egress=written).egress is None
    assert "egress" not in to_document(config())


def test_the_rules_come_back_as_they_were_written() -> None:
    document = {"allow": ["github.com:22,443", "10.0.0.0/8"], "log": True}
    assert to_document(config(egress=document))["egress"] == document
    assert as_written(config(egress="none"), {"egress": "none"})["egress"] == {"log": False}


@pytest.mark.parametrize("written", ["all", True, ["a.org"], {"allow": "a.org"}, {"allow": [""]}])
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(ConfigError, match="egress"):
        config(egress=written)


def test_each_entry_that_is_no_rule_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        config(egress={"allow": ["a.org", "a b", "::1"]})
    assert [each.path for each in caught.value.problems] == ["egress.allow[1]", "egress.allow[2]"]


def test_what_leads_past_the_rules_is_refused_with_them() -> None:
    with pytest.raises(ConfigError, match="networks"):
        config(egress="none", networks=[{"lima": "user-v2"}])
    with pytest.raises(ConfigError, match=r"ssh\.overVsock"):
        config(egress="none", ssh={"overVsock": True})


def test_other_rules_are_for_the_running_machine_and_the_first_ones_for_the_next_start() -> None:
    before, after = config(egress="none"), config(egress={"allow": ["a.org"], "log": True})
    assert {effect_of(each.path) for each in changes(before, after)} == {Effect.LIVE}
    assert fingerprint(before) == fingerprint(after)
    assert {effect_of(each.path) for each in changes(config(), after)} == {Effect.AT_START}
    assert fingerprint(config()) != fingerprint(after)
