# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of all guests, built while the linters run: in a test, others would wait for them.

python tests/support/images.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.home import build_golden, build_stock

if __name__ == "__main__":
    build_golden()
    build_stock()
