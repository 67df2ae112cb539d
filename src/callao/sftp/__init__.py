# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``builtin`` SFTP driver: one directory, served over standard input and output, and confined to it.

The program is ``python -P -m callao.sftp --root /dir``; sshfs in the guest is its client.
"""
