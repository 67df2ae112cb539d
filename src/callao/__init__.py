# SPDX-License-Identifier: GPL-3.0-or-later
"""Callao: a Lima-compatible VM engine in Python."""

__version__ = "0.1.0"
