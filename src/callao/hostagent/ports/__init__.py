# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes the port forwards of a running machine."""
