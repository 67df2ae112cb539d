# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances are on a network, and with which MAC addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config import Config, dump, effective
from callao.errors import ConfigError
from callao.host import Host
from callao.networks.users import check_mac_addresses, users

MAC = "52:55:55:00:00:ab"


def instance(home: Path, name: str, *networks: object) -> Config:
    """A stopped one."""
    document = {"images": [{"location": "/img.qcow2"}], "networks": list(networks)}
    (home / name).mkdir()
    (home / name / "lima.yaml").write_text(dump(document))
    return effective(document, Host.detect(), name=name, instance_dir=home / name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "_config").mkdir()
    (tmp_path / "_config" / "networks.yaml").write_text(
        "networks: {user-v2: {mode: user-v2, gateway: 10.0.0.1}, lab: {mode: user-v2, gateway: 10.1.0.1}}"
    )
    instance(tmp_path, "one", {"lima": "user-v2", "macAddress": "5255.5500.00AB"}, {"lima": "lab"})
    return tmp_path


def test_a_mac_address_of_another_instance_in_the_network_is_refused(home: Path) -> None:
    two = instance(home, "two", {"lima": "lab"}, {"lima": "user-v2", "macAddress": MAC})
    with pytest.raises(ConfigError, match=r"networks\[1\].macAddress: '52:55:55:00:00:ab': is that of "
                       "instance 'one' in network user-v2.*one is made"):  # fmt: skip
        check_mac_addresses(two, "two", home)


@pytest.mark.parametrize(
    "network",
    [
        {"lima": "user-v2"},
        {"lima": "lab", "macAddress": MAC},
        {"lima": "user-v2", "macAddress": "52:55:55:00:00:ac"},
    ],
)
def test_another_network_and_another_address_are_not(home: Path, network: dict[str, str]) -> None:
    check_mac_addresses(instance(home, "two", network), "two", home)
    assert users(network["lima"], home) == ["one", "two"]


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (
            [{"socket": "/a", "macAddress": "53:55:55:0a:0b:0c"}],
            r"networks\[0\].macAddress.*an even first byte",
        ),
        (
            [
                {"socket": "/a", "macAddress": "5255.5500.00AB"},
                {"socket": "/b", "macAddress": "52-55-55-00-00-ab"},
            ],
            r"networks\[1\].macAddress.*is that of networks\[0\], too",
        ),
    ],
)
def test_an_address_that_no_interface_can_have_alone_is_refused(
    home: Path, networks: list[dict[str, str]], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_mac_addresses(instance(home, "two", *networks), "two", home)


def test_an_instance_is_not_in_its_own_way(home: Path) -> None:
    networks = [{"lima": "user-v2", "macAddress": MAC}]
    config = effective(
        {"images": [{"location": "/img.qcow2"}], "networks": networks}, Host.detect(), name="one",
        instance_dir=home / "one",
    )  # fmt: skip
    check_mac_addresses(config, "one", home)
