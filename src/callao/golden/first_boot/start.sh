#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The image's part of the first boot: finds the seed by its label and has it set the machine up. A seed of Callao's
# brings first-boot.sh for that; another's, such as limactl's, is translated for the copy of it in this image.
# Installed as /usr/lib/callao/first-boot; the argument is "early" or "late".
set -u

LIB=/usr/lib/callao
RUN=/run/callao
LIMA_CIDATA_MNT=/mnt/lima-cidata
export LIMA_CIDATA_MNT

# The log has the name that cloud-init gives it: the hints of templates lead there, Lima's, too.
log_output() {
  umask 026
  mkfifo -m 600 "$RUN/$1"
  tee -a /var/log/cloud-init-output.log <"$RUN/$1" &
  exec >"$RUN/$1" 2>&1
  umask 022
}

# By itself mount finds what the kernel shows already; a CD, as limactl's seed is, takes a moment.
mount_seed() {
  [ -d "$LIMA_CIDATA_MNT" ] || mkdir -m 700 "$LIMA_CIDATA_MNT"
  tries=30
  while [ "$tries" -gt 0 ]; do
    for label in cidata CIDATA; do
      mount -o ro,exec "LABEL=$label" "$LIMA_CIDATA_MNT" 2>"$RUN/mount" && return 0
    done
    modprobe -q sr_mod
    udevadm settle --timeout=10
    sleep 1
    tries=$((tries - 1))
  done
  return 1
}

early() {
  log_output early
  # The console may show nothing else before a login prompt, and the host waits there for one.
  echo 'LIMA| first boot'
  if ! mount_seed; then
    echo 'LIMA| first boot: no disk with the label cidata: this machine stays as it is' >&2
  elif [ -e "$LIMA_CIDATA_MNT/first-boot.sh" ]; then
    "$LIMA_CIDATA_MNT/first-boot.sh" early
  else
    PYTHONPATH=$LIB/python PYTHONDONTWRITEBYTECODE=1 \
      python3 -s -m callao.golden.first_boot.cloud_config "$LIMA_CIDATA_MNT" "$RUN/seed"
    umount "$LIMA_CIDATA_MNT" # limactl's own script mounts it
    LIMA_CIDATA_MNT=$RUN/seed sh "$LIB/first-boot.sh" early
  fi
  : >"$RUN/first-boot"
}

late() {
  log_output late
  if [ -e "$RUN/seed" ]; then
    LIMA_CIDATA_MNT=$RUN/seed exec sh "$LIB/first-boot.sh" late
  elif [ -e "$LIMA_CIDATA_MNT/first-boot.sh" ]; then
    exec "$LIMA_CIDATA_MNT/first-boot.sh" late
  fi
}

mkdir -p "$RUN"
"$1"
