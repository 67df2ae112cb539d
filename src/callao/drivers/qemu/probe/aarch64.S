# SPDX-License-Identifier: GPL-3.0-or-later
# Fifty million turns of a loop, then PSCI SYSTEM_OFF (Arm DEN 0022). See callao.drivers.qemu.probe.
    movz x1, #0x2fa, lsl #16
1:  subs x1, x1, #1
    b.ne 1b
    movz w0, #0x0008
    movk w0, #0x8400, lsl #16
    hvc #0
    b .
