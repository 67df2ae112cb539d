# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines on macOS: by vfkit (``vmType: vz``) and by krunkit."""
