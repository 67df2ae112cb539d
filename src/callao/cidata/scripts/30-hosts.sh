# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh.
put_block /etc/hosts "$LIMA_CIDATA_MNT/etc_hosts"
