# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the ports that listen in the guest: sockets, containers, and the kernel's events of them."""
