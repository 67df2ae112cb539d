# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts and unmounts the shared directories of a running machine."""
