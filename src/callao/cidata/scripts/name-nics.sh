#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# name-nics.sh MAC=NAME...: gives each NIC its name that still has another one. cloud-init renames NICs before
# networkd starts, but not one that is up already, as Ubuntu 26.04's can be at the first boot; that one would
# stay without an address.
#
# cloud-init runs this early on every boot, when the seed is not mounted: it has all that it needs.
set -u

# find_nic MAC: sets nic. Bridges and the like may have the address of a NIC, but are no devices.
find_nic() {
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    read -r found <"$nic/address"
    if [ "$found" = "$1" ]; then
      nic=${nic##*/}
      return 0
    fi
  done
  return 1
}

renamed=
for pair in "$@"; do
  name=${pair#*=}
  [ ! -e "/sys/class/net/$name" ] || continue
  find_nic "${pair%%=*}" || continue
  for _ in 1 2 3; do
    if ip link set dev "$nic" down && ip link set dev "$nic" name "$name"; then
      ip link set dev "$name" up
      renamed="$renamed $name"
      break
    fi
    sleep 1
  done
done

# What follows may expect the network, as it does where nothing had to be renamed.
for name in $renamed; do
  tries=30
  while [ "$tries" -gt 0 ]; do
    case $(ip -4 addr show dev "$name") in
    *inet\ *) break ;;
    esac
    tries=$((tries - 1))
    sleep 1
  done
done
