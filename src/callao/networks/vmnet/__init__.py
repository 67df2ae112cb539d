# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs socket_vmnet or vmnet-helper, which carry the modes ``host``, ``shared`` and ``bridged`` on macOS.

They run as root, by sudo, and a file in sudoers.d allows exactly the commands that they need.
"""
