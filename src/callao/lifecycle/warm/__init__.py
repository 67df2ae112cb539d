# SPDX-License-Identifier: GPL-3.0-or-later
"""Warm machines: a new instance resumes from the saved memory of an equal one."""
