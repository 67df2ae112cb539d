#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Boots a distribution of WSL, which starts nothing of ours by itself, has its network from WSL, and a root of any
# size. The host calls "wsl_early" before it logs in, and then "wsl", each time that the distribution starts.
#
# The steps are those of first-boot.sh, which calls the function that this script is asked for.
set -u

umask 022
: "${LIMA_CIDATA_MNT:=/mnt/lima-cidata}"
export LIMA_CIDATA_MNT

# shellcheck disable=SC2317 # called by name
wsl_early() {
  require sshd openssh-server
  [ ! -e "$GIVEN/sudoers" ] || require sudo sudo
  mkdir -p "$RUN" /run/sshd /etc/ssh/sshd_config.d "$STATE"
  know_instance
  once early set_hostname set_host_key add_user authorize_keys keep_hostname
  run set_hostname
  : >"$RUN/first-boot"
  [ ! -e "$GIVEN/early" ] || "$LIMA_CIDATA_MNT/boot.sh" early
}

# Nothing of ours can be done in a guest without: the packages have to be in the image.
require() {
  command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] && return
  echo "this image has no $1: it must have the package $2 installed" >&2
  exit 1
}

# The distribution runs as long as this does.
# shellcheck disable=SC2317
wsl() {
  once late trust_certificates upgrade_packages
  sh "$LIMA_CIDATA_MNT/boot.sh"
  exec sleep 2147483647
}

# WSL names the machine after Windows at each start, unless its section [network] says otherwise.
# shellcheck disable=SC2317
keep_hostname() (
  set -e
  newline='
'
  read -r name <"$GIVEN/hostname"
  text=
  section=
  placed=
  if [ -e /etc/wsl.conf ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
      '['*) section=$line ;;
      esac
      case $section$line in
      '[network]hostname'[\ =]*) continue ;;
      esac
      text="$text$line$newline"
      if [ "$line" = '[network]' ] && [ -z "$placed" ]; then
        text="${text}hostname=$name$newline"
        placed=yes
      fi
    done </etc/wsl.conf
  fi
  [ -n "$placed" ] || text="${text}[network]${newline}hostname=$name$newline"
  printf '%s' "$text" >/etc/wsl.conf
)

# Where there is busybox's adduser alone. sshd lets nobody in to a locked account: "*" is no password, either.
if ! command -v useradd >/dev/null; then
  # shellcheck disable=SC2317
  useradd() {
    adduser -D -u "$LIMA_CIDATA_UID" -g "$LIMA_CIDATA_COMMENT" -s "$LIMA_CIDATA_SHELL" \
      -h "$LIMA_CIDATA_HOME" "$LIMA_CIDATA_USER" &&
      sed -i "s/^$LIMA_CIDATA_USER:!:/$LIMA_CIDATA_USER:*:/" /etc/shadow
  }
fi

# shellcheck source=/dev/null
. "$LIMA_CIDATA_MNT/first-boot.sh"
