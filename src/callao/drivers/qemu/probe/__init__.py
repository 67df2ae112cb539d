# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an accelerator runs a kernel's code: shown by running some, never by a file that exists."""

from callao.drivers.qemu.probe.run import Verdict, probe

__all__ = ["Verdict", "probe"]
