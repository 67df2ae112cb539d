# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent: one process for each running instance, which owns the machine from start to end."""
