# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that the host has the guest make, over the one channel."""
