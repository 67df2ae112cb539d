#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Mounts the seed and hands over to its boot.sh; cloud-init runs this on every boot.
set -u

LIMA_CIDATA_MNT=/mnt/lima-cidata
LIMA_CIDATA_DEV=/dev/disk/by-label/cidata
export LIMA_CIDATA_MNT LIMA_CIDATA_DEV

if [ ! -e "$LIMA_CIDATA_MNT/boot.sh" ]; then
  [ -e "$LIMA_CIDATA_DEV" ] || LIMA_CIDATA_DEV=LABEL=cidata
  [ -d "$LIMA_CIDATA_MNT" ] || mkdir -m 700 "$LIMA_CIDATA_MNT"
  if ! mount -t iso9660 -o ro,exec "$LIMA_CIDATA_DEV" "$LIMA_CIDATA_MNT"; then
    printf 'code=1\nfailed=mounting the seed\n' >/run/lima-boot-done
    exit 1
  fi
fi
exec "$LIMA_CIDATA_MNT/boot.sh" "$@"
