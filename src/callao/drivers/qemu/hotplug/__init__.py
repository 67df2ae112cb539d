# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that a running QEMU machine is given and loses: shared directories and network interfaces."""
