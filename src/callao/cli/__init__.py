# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line ``callao``: limactl's commands and flags."""
