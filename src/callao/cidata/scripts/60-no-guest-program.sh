# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with plain: ends the program that an instance has from boots before it was plain. The next boot
# that is not plain starts it again.
unit=/etc/systemd/system/lima-guestagent.service
if [ -e "$unit" ]; then
  rm -f "$unit" /etc/systemd/system/multi-user.target.wants/lima-guestagent.service
  if [ -d /run/systemd/system ]; then
    systemctl --no-block stop lima-guestagent.service || :
    systemctl daemon-reload
  fi
fi
if [ -e /etc/init.d/lima-guestagent ]; then
  rc-service lima-guestagent stop || :
  rc-update del lima-guestagent default || :
  rm -f /etc/init.d/lima-guestagent
fi
rm -f "$LIMA_CIDATA_GUEST_INSTALL_PREFIX/bin/lima-guestagent"
