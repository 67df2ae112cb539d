# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of mode ``user-v2``: one daemon for each, which needs no root.

The daemon is an Ethernet switch for the NICs of the instances in the network, their DHCP and DNS server, and
leads to the host and beyond through QEMU's user-mode network stack.
"""
