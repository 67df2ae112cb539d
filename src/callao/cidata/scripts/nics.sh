#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Configures network interfaces that come while the machine runs, waits for those of the boot, and forgets those
# that go. The calls follow. What is written here lasts until the next boot, when the seed configures them.
#
# Commands get /dev/null as standard input, since the script itself may come from there.

units=/run/systemd/network

tell() {
  echo "networks: $1: $2" >&2
}

# find_nic MAC: sets nic to the kernel's name, waiting a while. Bridges may have its address, but are no devices.
find_nic() {
  tries=100
  while [ "$tries" -gt 0 ]; do
    for each in /sys/class/net/*; do
      [ -e "$each/device" ] || continue
      read -r found <"$each/address" || continue
      if [ "$found" = "$1" ]; then
        nic=${each##*/}
        return 0
      fi
    done
    tries=$((tries - 1))
    sleep 0.1
  done
  return 1
}

# name_nic NAME: udev may be about to name the interface, or another one still has the name.
name_nic() {
  command -v udevadm >/dev/null 2>&1 && udevadm settle --timeout=10 </dev/null >/dev/null 2>&1
  for _ in 1 2 3 4 5; do
    find_nic "$mac" || return 1
    [ "$nic" != "$1" ] || return 0
    ip link set dev "$nic" down </dev/null && ip link set dev "$nic" name "$1" </dev/null && return 0
    sleep 0.2
  done
  return 1
}

# await_address NAME ADDRESS
await_address() {
  tries=150
  while [ "$tries" -gt 0 ]; do
    case $(ip -4 -o addr show dev "$1" </dev/null) in
    *" inet $2/"*) return 0 ;;
    esac
    tries=$((tries - 1))
    sleep 0.1
  done
  return 1
}

# configure_nic NAME MAC METRIC ADDRESS PREFIX GATEWAY: without ADDRESS, whatever its network gives is right.
configure_nic() {
  mac=$2
  if ! find_nic "$mac" || ! name_nic "$1"; then
    tell "$1" "no interface with the address $mac has come"
    return 1
  fi
  ip link set dev "$1" up </dev/null
  if command -v networkctl >/dev/null 2>&1 && systemctl -q is-active systemd-networkd </dev/null; then
    mkdir -p "$units"
    printf '[Match]\nMACAddress=%s\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nDHCP=ipv4\n\n' "$mac" \
      >"$units/05-callao-$1.network"
    printf '[DHCPv4]\nClientIdentifier=mac\nRouteMetric=%s\n' "$3" >>"$units/05-callao-$1.network"
    networkctl reload </dev/null && networkctl reconfigure "$1" </dev/null
  elif command -v nmcli >/dev/null 2>&1 && nmcli -t general status </dev/null >/dev/null 2>&1; then
    nmcli connection delete "callao-$1" </dev/null >/dev/null 2>&1
    nmcli connection add save no type ethernet con-name "callao-$1" ifname "$1" ipv4.method auto \
      ipv4.route-metric "$3" </dev/null >/dev/null && nmcli connection up "callao-$1" </dev/null >/dev/null
  elif [ -n "${4-}" ]; then
    ip addr replace "$4/$5" dev "$1" </dev/null
    ip route replace default via "$6" dev "$1" metric "$3" </dev/null
  fi
  if [ -n "${4-}" ] && ! await_address "$1" "$4"; then
    tell "$1" "it has not got the address $4"
    return 1
  fi
}

# settle_nic: the same arguments, after a boot: the seed has configured the interface, or the image has not heeded it.
settle_nic() {
  mac=$2
  if find_nic "$mac" && [ "$nic" = "$1" ] && { [ -z "${4-}" ] || await_address "$1" "$4"; }; then
    return 0
  fi
  configure_nic "$@"
}

# forget_nic NAME: before it is taken away.
forget_nic() {
  if [ -e "$units/05-callao-$1.network" ]; then
    rm -f "$units/05-callao-$1.network"
    networkctl reload </dev/null
  fi
  if command -v nmcli >/dev/null 2>&1; then
    nmcli connection delete "callao-$1" </dev/null >/dev/null 2>&1
  fi
  ip link set dev "$1" down </dev/null 2>/dev/null
  return 0
}
