# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh. Done here because cloud-init calls it an error when the image has no time zone data.
zone=/usr/share/zoneinfo/$LIMA_CIDATA_TIMEZONE
# shellcheck disable=SC3013 # -ef is in POSIX since 2024; dash and busybox have it
if [ -z "$LIMA_CIDATA_TIMEZONE" ]; then
  : # the image's own
elif [ ! -f "$zone" ]; then
  echo "no data for the time zone $LIMA_CIDATA_TIMEZONE in this image (package tzdata): left as it is"
elif [ ! /etc/localtime -ef "$zone" ]; then
  ln -sfn "$zone" /etc/localtime
  [ ! -f /etc/timezone ] || echo "$LIMA_CIDATA_TIMEZONE" >/etc/timezone
fi
