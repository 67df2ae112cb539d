# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh: what the hypervisor shares is there before anything of the user's runs.

# mount_share TYPE TAG POINT OPTIONS
mount_share() {
  [ -d "$3" ] || mkdir -p "$3"
  ! mountpoint -q "$3" || return 0
  mount -t "$1" -o "$4" "$2" "$3" && return 0
  grep -qw "$1" /proc/filesystems || modprobe -q "$1" ||
    echo "the kernel of this guest has no $1: choose another mountType" >&2
  return 1
}

# shellcheck source=/dev/null
. "$LIMA_CIDATA_MNT/mounts.sh"
