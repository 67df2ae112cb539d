# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports listen in the guest: sockets, containers, and the kernel's events."""
