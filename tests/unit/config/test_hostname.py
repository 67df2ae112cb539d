# SPDX-License-Identifier: GPL-3.0-or-later
"""A name whose guest could not be called by it is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config import Config, check_hostname, effective, hostname_of, to_document
from callao.errors import ConfigError
from callao.host import Host
from callao.instances import fingerprint

HOST = Host.detect()


def config(**extra: object) -> Config:
    document = {"images": [{"location": "/x.qcow2"}], **extra}
    return effective(document, HOST, name="web", instance_dir=Path("/h/web"))


def test_a_host_name_has_63_characters_at_most() -> None:
    check_hostname("a" * 58)
    assert len(hostname_of("a" * 58)) == 63
    with pytest.raises(ConfigError, match=r"more than 63 characters.*at most 58"):
        check_hostname("a" * 59)


def test_another_host_name_is_read_at_the_next_start_and_none_is_as_before() -> None:
    asked = config(hostname="shop-1", message="on {{.Instance.Hostname}}")
    assert to_document(asked)["hostname"] == "shop-1"
    assert "hostname" not in to_document(config())
    assert fingerprint(asked) != fingerprint(config(message="on {{.Instance.Hostname}}"))


@pytest.mark.parametrize("name", ["-web", "web-", "a.b", "a_b", "w" * 64, "wéb", "a b", "a\n"])
def test_what_cannot_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"hostname: .* cannot be a host name"):
        config(hostname=name)
