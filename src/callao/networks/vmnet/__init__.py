# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs socket_vmnet, which carries the networks of mode ``host``, ``shared`` and ``bridged`` on macOS.

It runs as root, by sudo, and a file in sudoers.d allows exactly the commands that it needs.
"""
