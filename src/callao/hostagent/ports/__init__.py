# SPDX-License-Identifier: GPL-3.0-or-later
"""The port forwards of a running machine."""
