# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a Windows that is reached by ssh: what cmd.exe and powershell.exe make of a command line.

Written from Microsoft's documentation and PowerShell's source, not from the code under test. It runs nothing
but ``wsl.exe``, and of either shell's language it knows one line: whatever else a line has is an error.
"""
