# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh: early when there is something to set, so that the first login has it.
put_block /etc/environment "$LIMA_CIDATA_MNT/etc_environment"
