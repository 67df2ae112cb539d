# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/modes.md names a test for each row, which there is."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs" / "modes.md").read_text(encoding="utf-8")


def test_each_row_names_tests_that_there_are() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| |")]
    assert rows
    assert [row for row in rows if "::test_" not in row] == []
    for path, name in re.findall(r"`((?:unit|guests)/\S+\.py)::(\w+)`", PAGE):
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8"), f"{path}::{name}"
