# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared directories of a running machine."""
