# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: the engine in this process is on macOS, as far as :mod:`callao.system` tells it.

``pytest -p support.darwin`` with ``tests`` on ``PYTHONPATH``. Whatever is asked of libproc goes to psutil.
"""

from __future__ import annotations

from callao import system
from callao.system import darwin

for _name in darwin.__all__:
    setattr(system, _name, getattr(darwin, _name))
