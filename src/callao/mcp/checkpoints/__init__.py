# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of what an agent may change: the writable shares, by listing and copying, and the machine."""
