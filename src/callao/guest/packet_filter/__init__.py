# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listeners the guest's packet filter closes to what comes in by the NIC."""
