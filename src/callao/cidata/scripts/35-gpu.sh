# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with vmType krunkit, whose guests have a GPU. Fedora lets the user at the console use it, and
# other distributions a group of theirs alone: nobody is at the console here.
rules=/etc/udev/rules.d/70-callao-gpu.rules
rule='SUBSYSTEM=="drm", KERNEL=="card*|renderD*", MODE="0666"'
if grep -q '^ID=fedora$' /etc/os-release 2>/dev/null || [ ! -d /etc/udev ]; then
  : # nothing is lacking, or nobody reads rules
elif ! printf '%s\n' "$rule" | cmp -s - "$rules"; then
  mkdir -p "${rules%/*}"
  printf '%s\n' "$rule" >"$rules"
  udevadm control --reload
  udevadm trigger --subsystem-match=drm
fi
