# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that the guest makes for the host, multiplexed over the one channel."""
