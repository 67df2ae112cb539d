# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for hdiutil(1): what it detaches is of :mod:`support.apple.diskutil_program`."""

from __future__ import annotations

import sys

from support.apple.diskutil_program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
