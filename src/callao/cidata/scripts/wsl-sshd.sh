#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# One sshd for one connection, on standard input and output: the distributions of WSL have one network, and one
# port 22. The host's ssh runs this by wsl.exe.
sshd=$(command -v sshd) || sshd=/usr/sbin/sshd
exec "$sshd" -i
