# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that carries ``host``, ``shared`` and ``bridged`` on Linux.

It has socket_vmnet's options and framing. It runs as root from a file that root owns, so that it is packed
into one, and needs Python's standard library alone. It checks all of its arguments itself: sudo's rules may
be broader than ours.
"""
