# SPDX-License-Identifier: GPL-3.0-or-later
"""From the start of the hypervisor until the machine is ready."""
