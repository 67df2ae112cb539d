# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's network settings: ports that are exposed, and DNS."""
