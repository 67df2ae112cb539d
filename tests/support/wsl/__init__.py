# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for ``wsl.exe``: distributions are folders here, and what runs in them runs in namespaces.

Written from Microsoft's source (microsoft/WSL, 2026-08-08): the options, the formats of the output, the
codes of errors, and that a distribution stops some time after the last program of Windows has left it. Not
from the code under test.
"""
