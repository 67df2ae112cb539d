# SPDX-License-Identifier: GPL-3.0-or-later
"""The network interfaces of ``networks``: what connects each, and the guest's configuration of it."""
