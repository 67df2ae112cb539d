# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the systems of a host: one module each, and each offers the same. Quick to import.

What runs on one system alone, as the guest's program on Linux, says so where it begins to.
"""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from callao.system.linux import *
elif sys.platform == "win32":
    from callao.system.windows import *
else:
    from callao.system.darwin import *
