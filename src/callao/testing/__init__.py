# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests for pytest: one that a session shares, and a new one for a test in a few seconds.

The plugin is :mod:`callao.testing.plugin`; pytest finds it by itself.
"""

from callao.testing.guest import Guest
from callao.testing.home import TestHome

__all__ = ["Guest", "TestHome"]
