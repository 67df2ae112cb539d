# SPDX-License-Identifier: GPL-3.0-or-later
"""qcow2 disks of a machine: the files, their layers, and the additional disks as devices."""
