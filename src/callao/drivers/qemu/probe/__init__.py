# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests whether an accelerator can run a kernel's code by running some, not by looking for a device file."""

from callao.drivers.qemu.probe.run import Verdict, probe

__all__ = ["Verdict", "probe"]
