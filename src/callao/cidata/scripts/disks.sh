#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prepares additional disks. The calls follow: at each boot from the seed, and when a disk comes while the machine
# runs. Disks are found by serial number; what they hold, and no label, decides whether one is formatted.
#
# Commands get /dev/null as standard input, since the script itself may come from there.

tell() {
  echo "additional disk $name: $*" >&2
}

# find_disk SERIAL TRIES: sets disk to the kernel's name of the device.
find_disk() {
  tries=$2
  while :; do
    for each in /sys/block/*/serial; do
      [ -e "$each" ] || continue
      found=
      read -r found <"$each" || [ -n "$found" ] || continue
      if [ "$found" = "$1" ]; then
        disk=${each%/serial}
        disk=${disk##*/}
        return 0
      fi
    done
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

# Sets parts to the number of partitions, and part to the device of the first one where there is one.
find_partition() {
  parts=0
  part=
  for each in "/sys/block/$disk/$disk"*/partition; do
    [ -e "$each" ] || continue
    parts=$((parts + 1))
    read -r number <"$each"
    each=${each%/partition}
    [ "$number" != 1 ] || part=/dev/${each##*/}
  done
}

# probe DEVICE: sets kind to what the device holds, by its own bytes; empty for nothing. Where blkid cannot decide,
# or is not the one of util-linux, the device is taken to hold something.
probe() {
  kind=$(blkid -p -o value -s TYPE "$1" 2>/dev/null </dev/null)
  case $? in
  0) ;;
  2) kind= ;;
  *) kind=unknown ;;
  esac
}

# make_partition TYPE: one, of the whole disk.
make_partition() {
  code=L
  [ "$1" != swap ] || code=S
  if ! command -v sfdisk >/dev/null; then
    tell 'this guest has no sfdisk: install its package (fdisk or sfdisk)'
    return 1
  fi
  printf 'label: gpt\n, , %s\n' "$code" | sfdisk --quiet "/dev/$disk" || return 1
  tries=50
  find_partition
  while [ -z "$part" ] || [ ! -b "$part" ]; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
      tell "no partition appeared on /dev/$disk"
      return 1
    fi
    sleep 0.1
    find_partition
  done
}

# make_file_system TYPE LABEL [ARGUMENT...]
make_file_system() {
  type=$1
  label=$2
  shift 2
  program=mkfs.$type
  [ "$type" != swap ] || program=mkswap
  if ! command -v "$program" >/dev/null; then
    tell "this guest has no $program: install the package that has it, or choose another fsType"
    return 1
  fi
  "$program" "$@" -L "$label" "$part" </dev/null >&2 || return 1
  kind=$type
}

# The partition, when it is the only one, fills a disk that has grown.
grow_partition() {
  [ "$parts" -eq 1 ] || return 0
  at=/sys/block/$disk/${part#/dev/}
  read -r whole <"/sys/block/$disk/size"
  read -r before <"$at/start"
  read -r sectors <"$at/size"
  # A partition table at the end takes 33 sectors, and partitions begin and end at whole MiB.
  [ "$((whole - before - sectors))" -gt 4096 ] || return 0
  if echo ', +' | sfdisk --quiet --force --no-reread --no-tell-kernel -N 1 "/dev/$disk" >&2; then
    partx --update --nr 1 "/dev/$disk" </dev/null && return 0
  fi
  tell 'the partition cannot be grown to the size of the disk'
}

# A mounted file system fills its partition; the tools do nothing where it does already.
grow_file_system() {
  case $kind in
  ext2 | ext3 | ext4 | xfs | btrfs)
    if [ -x /lib/systemd/systemd-growfs ]; then
      /lib/systemd/systemd-growfs "$point" >/dev/null </dev/null
    elif [ "$kind" = xfs ]; then
      xfs_growfs "$point" >/dev/null </dev/null
    elif [ "$kind" = btrfs ]; then
      btrfs filesystem resize max "$point" >/dev/null </dev/null
    else
      resize2fs "$part" >/dev/null 2>&1 </dev/null
    fi || tell "the file system cannot be grown to the size of the partition"
    ;;
  esac
}

start_swap() {
  while read -r used _; do
    [ "$used" != "$part" ] || return 0
  done </proc/swaps
  swapon "$part" </dev/null || return 1
  # A swap area does not grow: where the partition has, it is made anew.
  while read -r used _ kib _; do
    [ "$used" = "$part" ] || continue
    read -r sectors <"/sys/class/block/${part#/dev/}/size"
    [ "$((sectors / 2 - kib))" -gt 2048 ] || return 0
    swapoff "$part" </dev/null && mkswap -L "$1" "$part" </dev/null >&2 && swapon "$part" </dev/null
    return
  done </proc/swaps
}

# prepare_disk NAME SERIAL FORMAT TYPE LABEL [ARGUMENT...]: FORMAT is "yes" where an empty disk gets a file system.
prepare_disk() {
  name=$1
  serial=$2
  format=$3
  type=$4
  label=$5
  shift 5
  if ! find_disk "$serial" 100; then
    tell "there is no device with the serial number $serial"
    return 1
  fi
  # Whoever writes to a disk has udev read its partitions again, for which it takes them away for a moment; it leaves a
  # locked disk alone, and one with a partition in use. See systemd.io/BLOCK_DEVICE_LOCKING.
  exec 9<"/dev/$disk" || return 1
  ! command -v flock >/dev/null || flock 9
  status=0
  prepare_found_disk "$@" || status=$?
  exec 9<&-
  return "$status"
}

# The same with what prepare_disk has set, and the arguments of mkfs.
prepare_found_disk() {
  find_partition
  if [ "$parts" -eq 0 ]; then
    probe "/dev/$disk"
    if [ -n "$kind" ]; then
      part=/dev/$disk
    elif [ "$format" = yes ]; then
      make_partition "$type" || return 1
    else
      return 0
    fi
  elif [ -z "$part" ]; then
    tell 'it has partitions, and no first one: it is left alone'
    return 0
  else
    grow_partition
  fi
  probe "$part"
  if [ -z "$kind" ]; then
    [ "$format" = yes ] || return 0
    make_file_system "$type" "$label" "$@" || return 1
  fi
  point=/mnt/lima-$name
  case $kind in
  *_member | crypto_LUKS | bcache | swsuspend)
    tell "it holds $kind: it is not mounted"
    ;;
  swap)
    start_swap "$label"
    ;;
  *)
    [ -d "$point" ] || mkdir -p "$point" || return 1
    mountpoint -q "$point" || mount "$part" "$point" </dev/null || return 1
    grow_file_system
    ;;
  esac
}

# let_go_of_disk SERIAL: unmounts all that is on the disk. Another user of it, such as a volume group, is named.
let_go_of_disk() {
  name=$1
  find_disk "$1" 1 || return 0
  for each in "/sys/block/$disk/holders"/* "/sys/block/$disk/$disk"*/holders/*; do
    [ -e "$each" ] || continue
    label=${each##*/}
    [ ! -r "$each/dm/name" ] || read -r label <"$each/dm/name"
    tell "it is in use by $label"
    return 1
  done
  while read -r used _; do
    case $used in
    "/dev/$disk" | "/dev/$disk"[0-9]*) swapoff "$used" </dev/null || return 1 ;;
    esac
  done </proc/swaps
  while read -r used point _; do
    case $used in
    "/dev/$disk" | "/dev/$disk"[0-9]*) umount "$(printf '%b' "$point")" </dev/null || return 1 ;;
    esac
  done </proc/mounts
}
