# SPDX-License-Identifier: GPL-3.0-or-later
"""What macOS's defaults in networks.yaml mean on Linux."""

from __future__ import annotations

import pytest

from callao.config.network import Networks
from callao.config.networks_yaml import default_text, parse_networks
from callao.networks.vmnet.host_values import as_on_linux


def on_linux(text: str, *groups: str, has_private: bool = False) -> Networks:
    return as_on_linux(parse_networks(text), has_group=lambda name: name in groups, has_private=has_private)


@pytest.mark.parametrize(
    ("groups", "group"),
    [(("wheel", "sudo"), "sudo"), (("wheel",), "wheel"), (("admin", "sudo"), "admin"), ((), "admin")],
)
def test_the_defaults_mean_folders_and_administrators_of_linux(groups: tuple[str, ...], group: str) -> None:
    found = on_linux(default_text(), *groups)
    assert (found.group, found.paths.var_run, found.paths.sudoers) == (
        group,
        "/var/lib/lima",
        "/etc/sudoers.d/lima",
    )


def test_what_the_user_wrote_stays() -> None:
    text = "group: staff\npaths: {varRun: /srv/run, sudoers: /srv/sudoers}"
    assert on_linux(text, "sudo") == parse_networks(text)
    assert on_linux(default_text(), "admin", has_private=True) == parse_networks(default_text())
