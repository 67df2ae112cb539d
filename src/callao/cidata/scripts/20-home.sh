# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh. Before Lima 2.1 the home was /home/NAME.linux: what was written for that goes on working.
old=/home/$LIMA_CIDATA_USER.linux
if [ "$LIMA_CIDATA_HOME" = "/home/$LIMA_CIDATA_USER.guest" ] && [ ! -e "$old" ] && [ ! -h "$old" ]; then
  ln -s "$LIMA_CIDATA_USER.guest" "$old"
fi
