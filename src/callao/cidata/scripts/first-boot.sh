#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Does what cloud-init does with user-data and network-config, in an image that has no cloud-init: the image's
# units run it, "early" before the network and sshd start, "late" when the system is up.
#
# Work for an instance is done once for each instance-id; what failed is done again at the next boot. What is
# remembered of it is where cloud-init has it: others look there, and who copies a running guest changes it there.
#
# Each program started costs an emulated guest 5 to 10 ms, so what the shell can do itself, it does.
set -u

: "${LIMA_CIDATA_MNT:=/mnt/lima-cidata}"
export LIMA_CIDATA_MNT
GIVEN=$LIMA_CIDATA_MNT/first-boot
STATE=/var/lib/cloud
RUN=/run/callao
newline='
'

# once NAME STEP...: runs the steps, unless all of them have gone well for this instance.
once() {
  [ ! -e "$STATE/instance/callao.$1" ] || return 0
  mark=$RUN/well.$1
  shift
  well=yes
  for step in "$@"; do
    run "$step"
    [ "$status" -eq 0 ] || well=
  done
  [ -z "$well" ] || : >"$mark"
}

# What went well is remembered when it is on the disk: a machine that is killed in its first half minute would have
# the marks alone else, and for good, files without content: no key, no network. Till then, it is done again.
remember() {
  set --
  for stage in early late; do
    [ ! -e "$RUN/well.$stage" ] || set -- "$@" "$STATE/instance/callao.$stage"
  done
  [ "$#" -gt 0 ] && sync -f "$STATE" || return 0
  for mark; do
    : >"$mark"
  done
}

# A step that fails is noted for the host, and the rest goes on. Not to be called in a condition: the shell
# would ignore the step's "set -e".
run() {
  "$1"
  status=$?
  [ "$status" -ne 0 ] || return 0
  echo "LIMA| first boot: $1 failed with status $status" >&2
  printf '%s failed with status %s\n' "$1" "$status" >>"$RUN/errors"
}

# put SOURCE TARGET UMASK: copies text.
put() (
  umask "$3"
  while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n' "$line"
  done <"$1" >"$2"
)

# has FILE NAME: whether a file like /etc/passwd has the name.
has() {
  while IFS=: read -r name _; do
    [ "$name" != "$2" ] || return 0
  done <"$1"
  return 1
}

# What was done for another instance counts no more.
know_instance() {
  identifier=
  before=
  while read -r key value; do
    [ "$key" != instance-id: ] || identifier=$value
  done <"$LIMA_CIDATA_MNT/meta-data"
  [ ! -e "$STATE/data/instance-id" ] || read -r before <"$STATE/data/instance-id"
  [ "$identifier" != "$before" ] || return 0
  [ ! -e "$STATE/instances" ] || rm -rf "$STATE/instances" "$STATE/instance"
  mkdir -p "$STATE/data" "$STATE/instances/$identifier"
  ln -s "instances/$identifier" "$STATE/instance"
  printf '%s\n' "$identifier" >"$STATE/data/instance-id"
}

# The name of the machine, also as an address: sudo looks it up.
set_hostname() (
  set -e
  read -r name <"$GIVEN/hostname"
  printf '%s\n' "$name" >/etc/hostname
  hostname "$name"
  text=
  placed=
  if [ -e /etc/hosts ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
      127.0.1.1[[:blank:]]*)
        [ -z "$placed" ] || continue
        line="127.0.1.1 $name"
        placed=yes
        ;;
      esac
      text="$text$line$newline"
    done </etc/hosts
  fi
  [ -n "$placed" ] || text="127.0.1.1 $name$newline$text"
  printf '%s' "$text" >/etc/hosts
)

# The key that is given is the only one; where none is, as on a seed of limactl's, there are new ones.
set_host_key() (
  set -e
  key=/etc/ssh/ssh_host_ed25519_key
  only=/etc/ssh/sshd_config.d/00-lima-host-key.conf
  for file in /etc/ssh/ssh_host_* "$only"; do
    [ ! -e "$file" ] || rm -f "$file"
  done
  if [ ! -e "$GIVEN/ssh_host_ed25519_key" ]; then
    ssh-keygen -A
    exit
  fi
  put "$GIVEN/ssh_host_ed25519_key" "$key" 077
  put "$GIVEN/ssh_host_ed25519_key.pub" "$key.pub" 022
  printf 'HostKey %s\n' "$key" >"$only"
)

add_user() (
  set -e
  user=$LIMA_CIDATA_USER
  if ! has /etc/passwd "$user"; then
    set -- --uid "$LIMA_CIDATA_UID" --comment "$LIMA_CIDATA_COMMENT" --shell "$LIMA_CIDATA_SHELL"
    if has /etc/group "$user"; then
      set -- "$@" --gid "$user"
    fi
    parent=${LIMA_CIDATA_HOME%/*}
    [ -d "${parent:-/}" ] || mkdir -p "$parent"
    useradd --create-home --home-dir "$LIMA_CIDATA_HOME" "$@" -- "$user"
  fi
  rules=/etc/sudoers.d/90-callao-user
  [ ! -e "$rules" ] || rm -f "$rules"
  [ ! -e "$GIVEN/sudoers" ] || put "$GIVEN/sudoers" "$rules" 0337
)

# Keys that the user's file lacks are added; what else is there stays.
authorize_keys() (
  set -e
  [ -e "$GIVEN/authorized_keys" ] || exit 0
  folder=$LIMA_CIDATA_HOME/.ssh
  file=$folder/authorized_keys
  umask 077
  [ -d "$folder" ] || mkdir "$folder"
  known=$newline
  if [ -e "$file" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      known="$known$line$newline"
    done <"$file"
  fi
  text=$known
  while IFS= read -r line || [ -n "$line" ]; do
    case $known in
    *"$newline$line$newline"*) ;;
    *) text="$text$line$newline" ;;
    esac
  done <"$GIVEN/authorized_keys"
  printf '%s' "${text#"$newline"}" >"$file"
  chown -R "$LIMA_CIDATA_USER": "$folder"
)

configure_network() (
  set -e
  for file in /etc/systemd/network/10-callao-*; do
    [ ! -e "$file" ] || rm -f "$file"
  done
  for file in "$LIMA_CIDATA_MNT"/first-boot.network/*; do
    [ ! -e "$file" ] || put "$file" "/etc/systemd/network/${file##*/}" 022
  done
)

# Each NIC is found by its address. The image gives NICs no names of its own, so that the first is eth0 already.
name_nics() (
  while read -r address name; do
    tries=100
    until find_nic "$address" || [ "$tries" -eq 0 ]; do
      tries=$((tries - 1))
      sleep 0.1
    done
    if [ -z "$nic" ]; then
      echo "LIMA| first boot: there is no NIC with the address $address" >&2
    elif [ "$nic" != "$name" ]; then
      if [ -e "/sys/class/net/$name" ]; then
        ip link set dev "$name" down && ip link set dev "$name" name "spare$tries" || exit 1
      fi
      ip link set dev "$nic" down && ip link set dev "$nic" name "$name" || exit 1
    fi
  done <"$GIVEN/nics"
)

# find_nic ADDRESS: sets nic. Bridges and the like may have the address of a NIC, but are no devices.
find_nic() {
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    read -r found <"$nic/address"
    if [ "$found" = "$1" ]; then
      nic=${nic##*/}
      return 0
    fi
  done
  nic=
  return 1
}

# The root partition, when it is a disk's last, and its file system fill the disk.
grow_root() (
  set -e
  numbers=
  while read -r _ _ device _ point _; do
    [ "$point" != / ] || numbers=$device
  done </proc/self/mountinfo
  [ -e "/sys/dev/block/$numbers/partition" ] || exit 0
  cd -P "/sys/dev/block/$numbers"
  read -r number <partition
  read -r before <start
  read -r sectors <size
  read -r whole <../size
  # In sectors. A partition table at the end takes 33, and partitions begin and end at whole MiB.
  [ "$((whole - before - sectors))" -gt 4096 ] || exit 0
  disk=${PWD%/*}
  disk=/dev/${disk##*/}
  echo ', +' | sfdisk --quiet --force --no-reread --no-tell-kernel -N "$number" "$disk"
  partx --update --nr "$number" "$disk"
  /lib/systemd/systemd-growfs /
)

trust_certificates() (
  set -e
  trusted=/usr/local/share/ca-certificates
  changed=
  for file in "$trusted"/callao-*.crt; do
    [ -e "$file" ] || break
    rm -f "$file"
    changed=yes
  done
  if [ -e "$GIVEN/no-default-certificates" ]; then
    sed -i 's/^[^#!]/!&/' /etc/ca-certificates.conf
    changed=yes
  fi
  for file in "$LIMA_CIDATA_MNT"/first-boot.certificates/*; do
    [ -e "$file" ] || break
    put "$file" "$trusted/${file##*/}" 022
    changed=yes
  done
  [ -z "$changed" ] || update-ca-certificates
)

upgrade_packages() (
  set -e
  [ -n "${LIMA_CIDATA_UPGRADE_PACKAGES-}" ] || exit 0
  await_network
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  apt-get update
  apt-get -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold dist-upgrade
)

# Whether something on the seed may want the network.
wants_network() {
  for folder in provision.dependency boot.packages provision.system provision.user; do
    [ ! -e "$LIMA_CIDATA_MNT/$folder" ] || return 0
  done
  return 1
}

await_network() {
  /lib/systemd/systemd-networkd-wait-online --timeout=60 ||
    echo "LIMA| first boot: the network is not up after 60 s" >&2
}

early() {
  know_instance
  once early set_hostname set_host_key add_user authorize_keys configure_network
  run name_nics
  [ ! -e "$GIVEN/early" ] || "$LIMA_CIDATA_MNT/boot.sh" early
}

# The bootcmd of another's seed, which may expect what cloud-init's has: the network.
run_commands() {
  await_network
  sh "$GIVEN/commands.sh"
}

# The host logs in about now, and a login waits for the user's systemd, which is better begun at once.
begin_user_manager() {
  while IFS=: read -r name _ number _; do
    [ "$name" != "$LIMA_CIDATA_USER" ] || systemctl --no-block start "user@$number.service"
  done </etc/passwd
}

late() {
  begin_user_manager
  run grow_root
  [ ! -e "$GIVEN/commands.sh" ] || run run_commands
  once late trust_certificates upgrade_packages
  if [ -e /run/reboot-required ] && [ -n "${LIMA_CIDATA_UPGRADE_PACKAGES-}" ]; then
    echo 'LIMA| first boot: rebooting, as upgraded packages ask for it'
    remember
    systemctl reboot
    exit
  fi
  remember & # nothing waits for the disk
  ! wants_network || await_network
  exec sh "$LIMA_CIDATA_MNT/boot.sh"
}

# shellcheck source=/dev/null
. "$LIMA_CIDATA_MNT/env.sh"
"$1"
