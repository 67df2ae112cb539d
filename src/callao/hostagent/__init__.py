# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent: one process an instance, which owns the machine from start to end."""
