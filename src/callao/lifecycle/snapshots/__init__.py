# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, restores and deletes snapshots of an instance."""
