# SPDX-License-Identifier: GPL-3.0-or-later
"""A name whose guest could not be called by it is refused before anything is made."""

from __future__ import annotations

import pytest

from callao.config import check_hostname, hostname_of
from callao.errors import ConfigError


def test_a_host_name_has_63_characters_at_most() -> None:
    check_hostname("a" * 58)
    assert len(hostname_of("a" * 58)) == 63
    with pytest.raises(ConfigError, match=r"more than 63 characters.*at most 58"):
        check_hostname("a" * 59)
