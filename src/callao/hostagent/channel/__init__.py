# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the guest program: its messages and streams, the guest's clock, and its resolver."""
