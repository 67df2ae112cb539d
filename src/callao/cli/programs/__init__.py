# SPDX-License-Identifier: GPL-3.0-or-later
"""The other names of this program: limactl, and the small programs that Lima installs beside it."""
