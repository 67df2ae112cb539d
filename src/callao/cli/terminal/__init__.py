# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands print: tables, fields, progress, errors."""
