# SPDX-License-Identifier: GPL-3.0-or-later
"""Lima's rules of merging, by table."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.config import merge

MAPS = st.dictionaries(
    st.sampled_from("abcd"), st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers())
)


@pytest.mark.parametrize(
    ("over", "under", "merged"),
    [
        ({"cpus": 2}, {"cpus": 4, "plain": True}, {"cpus": 2, "plain": True}),
        ({"cpus": None}, {"cpus": 4}, {"cpus": None}),
        ({"env": None}, {"env": {"A": "1"}}, {"env": None}),
        ({"env": {"A": "1"}}, {"env": None}, {"env": {"A": "1"}}),
        ({"ssh": {"localPort": None}}, {"ssh": {"localPort": 1}}, {"ssh": {"localPort": None}}),
        ({"mounts": []}, {"mounts": [{"location": "/b"}]}, {"mounts": [{"location": "/b"}]}),
        ({"dns": []}, {"dns": ["9.9.9.9"]}, {"dns": ["9.9.9.9"]}),
        ({"ssh": {"localPort": 1}}, {"ssh": {"x": 0}}, {"ssh": {"localPort": 1, "x": 0}}),
        ({"env": {"A": "1"}}, {"env": {"A": "0", "B": "0"}}, {"env": {"A": "1", "B": "0"}}),
        ({"images": ["mine"]}, {"images": ["theirs"]}, {"images": ["mine", "theirs"]}),
        ({"portForwards": [1]}, {"portForwards": [2]}, {"portForwards": [1, 2]}),
        ({"provision": ["mine"]}, {"provision": ["theirs"]}, {"provision": ["theirs", "mine"]}),
        ({"probes": ["mine"]}, {"probes": ["theirs"]}, {"probes": ["theirs", "mine"]}),
        ({"dns": ["1.1.1.1"]}, {"dns": ["9.9.9.9"]}, {"dns": ["1.1.1.1"]}),
        ({"mountTypesUnsupported": ["9p"]}, {"mountTypesUnsupported": ["9p", "virtiofs"]},
         {"mountTypesUnsupported": ["9p", "virtiofs"]}),
        ({"minimumLimaVersion": "1.0.0"}, {"minimumLimaVersion": "2.0.0"}, {"minimumLimaVersion": "2.0.0"}),
        ({"minimumLimaVersion": "2.0.0-rc.1"}, {"minimumLimaVersion": "2.0.0"},
         {"minimumLimaVersion": "2.0.0"}),
        ({"minimumLimaVersion": "2.0.0-rc.10"}, {"minimumLimaVersion": "v2.0.0-rc.9"},
         {"minimumLimaVersion": "2.0.0-rc.10"}),
        ({"vmOpts": {"qemu": {"minimumVersion": "8.2"}}}, {"vmOpts": {"qemu": {"minimumVersion": "10.0"}}},
         {"vmOpts": {"qemu": {"minimumVersion": "10.0"}}}),
        ({"minimumLimaVersion": "1.10"}, {"minimumLimaVersion": "1.9"}, {"minimumLimaVersion": "1.10"}),
        ({"caCerts": {"certs": ["a"]}}, {"caCerts": {"certs": ["a"]}}, {"caCerts": {"certs": ["a"]}}),
        (
            {"mounts": [{"location": "~", "writable": True}]},
            {"mounts": [{"location": "~"}, {"location": "/x"}]},
            {"mounts": [{"location": "~", "writable": True}, {"location": "/x"}]},
        ),
        (
            {"mounts": [{"location": "/a", "mountPoint": "/m", "writable": True}]},
            {"mounts": [{"location": "/b", "mountPoint": "/m", "sshfs": {}}]},
            {"mounts": [{"location": "/a", "mountPoint": "/m", "writable": True, "sshfs": {}}]},
        ),
        (
            {"networks": [{"interface": "lima0", "metric": 50}]},
            {"networks": [{"interface": "lima0", "socket": "/s"}]},
            {"networks": [{"interface": "lima0", "metric": 50, "socket": "/s"}]},
        ),
        (
            {"additionalDisks": [{"name": "data", "format": False}]},
            {"additionalDisks": ["data", "more"]},
            {"additionalDisks": [{"name": "data", "format": False}, {"name": "more"}]},
        ),
        (
            {"additionalDisks": [{"name": 5, "format": False}, 7]},
            {"additionalDisks": [{"name": "5", "fsType": "xfs"}, 7, {"name": 1.5}]},
            {"additionalDisks": [{"name": 5, "format": False, "fsType": "xfs"}, {"name": 7}, {"name": 1.5}]},
        ),
        (
            {"mounts": [{"location": "/x"}, {"location": "/y", "writable": False}]},
            {"mounts": [{"mountPoint": "*", "location": "/w", "writable": True}, {"location": "/z"}]},
            {"mounts": [{"location": "/x", "writable": True}, {"location": "/y", "writable": False},
                        {"location": "/z"}]},
        ),
        (
            {"networks": [{"interface": "i0", "socket": "/s"}]},
            {"networks": [{"interface": "i0", "lima": "shared", "metric": 7}]},
            {"networks": [{"interface": "i0", "socket": "/s", "metric": 7}]},
        ),
        (
            {"additionalDisks": [{"name": "data", "fsArgs": ["-a"]}]},
            {"additionalDisks": [{"name": "data", "fsType": "xfs", "fsArgs": ["-b"]}]},
            {"additionalDisks": [{"name": "data", "fsType": "xfs", "fsArgs": ["-a"]}]},
        ),
    ],
)  # fmt: skip
def test_layers_merge_as_lima_documents(over: Any, under: Any, merged: Any) -> None:
    assert merge([over, under]) == merged


@pytest.mark.parametrize("name", [{}, [], {"a": "b"}, None])
def test_entries_whose_names_are_none_stay_apart_for_validation_to_refuse(name: Any) -> None:
    entry = {"location": name, "writable": True}
    assert merge([{"mounts": [entry]}, {"mounts": [entry]}]) == {"mounts": [entry, entry]}


def test_the_layers_stay_as_they_are() -> None:
    over: dict[str, Any] = {"env": {"A": "1"}, "mounts": [{"location": "/x"}]}
    under: dict[str, Any] = {"env": {"B": "2"}, "mounts": [{"location": "/x", "writable": True}]}
    before = copy.deepcopy((over, under))
    merged = merge([over, under])
    merged["env"]["C"] = "3"  # type: ignore[index]
    assert (over, under) == before


@given(MAPS, MAPS, MAPS)
def test_merging_maps_is_associative(one: Any, two: Any, three: Any) -> None:
    assert merge([one, two, three]) == merge([one, merge([two, three])])


@given(MAPS)
def test_a_map_over_itself_or_nothing_is_itself(one: Any) -> None:
    assert merge([one]) == merge([one, one]) == merge([one, {}]) == merge([{}, one]) == one
