# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of an instance: taken, restored, deleted."""
