# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU as a driver: on Linux with KVM where it works, anywhere in software."""

from callao.drivers.qemu.driver import QemuDriver

__all__ = ["QemuDriver"]
