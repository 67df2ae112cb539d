# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for QEMU: with KVM on Linux where it works, otherwise with software emulation."""

from callao.drivers.qemu.driver import QemuDriver

__all__ = ["QemuDriver"]
