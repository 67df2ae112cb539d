# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel to the guest program: messages, streams, clock, names."""
