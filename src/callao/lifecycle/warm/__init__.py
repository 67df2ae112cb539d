# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm machines: a new instance starts from the saved memory of one like it."""
