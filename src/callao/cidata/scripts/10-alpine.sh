# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh. What Alpine lacks of what the host, and scripts made for other distributions, expect.

# A locked account ("!") is refused by an sshd without PAM, whatever key is shown; "*" has no password.
unlock_account() {
  while IFS=: read -r name password _; do
    if [ "$name" = "$LIMA_CIDATA_USER" ] && [ "$password" != "${password#!}" ]; then
      usermod -p '*' "$LIMA_CIDATA_USER"
    fi
  done </etc/shadow
}

if [ -f /etc/alpine-release ]; then
  if [ ! -e /bin/bash ]; then
    printf '#!/bin/sh\nexec /bin/ash "$@"\n' >/bin/bash
    chmod 755 /bin/bash
  fi
  unlock_account
  if grep -q '^AllowTcpForwarding no' /etc/ssh/sshd_config; then
    sed -i 's/^AllowTcpForwarding no/AllowTcpForwarding yes/' /etc/ssh/sshd_config
    rc-service --ifstarted sshd reload
  fi
  if [ -e /etc/init.d/acpid ] && [ ! -e /etc/runlevels/default/acpid ]; then
    rc-update add acpid default
    rc-service acpid start
  fi
  command -v sudo >/dev/null || apk add sudo
fi
