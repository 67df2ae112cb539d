# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that are started when their user logs in, by systemd's user manager or by launchd.

The files have Lima's names, so that ``limactl autostart`` and ours see each other's. Quick to import.
"""

from callao.autostart.register import disable, enable, is_enabled

__all__ = ["disable", "enable", "is_enabled"]
