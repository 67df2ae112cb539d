# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions of WSL2 as machines (``vmType: wsl2``), by ``wsl.exe`` and nothing else of Windows."""
