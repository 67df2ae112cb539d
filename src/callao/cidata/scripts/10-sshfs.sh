# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh, when reverse-sshfs mounts are wanted.
if command -v sshfs >/dev/null; then
  :
elif command -v apt-get >/dev/null; then
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  apt-get update
  apt-get install -y --no-install-recommends sshfs
elif command -v dnf >/dev/null; then
  dnf install -y fuse-sshfs
elif command -v apk >/dev/null; then
  apk add sshfs
elif command -v zypper >/dev/null; then
  zypper --non-interactive install sshfs
elif command -v pacman >/dev/null; then
  pacman -S --noconfirm sshfs
else
  echo 'mounts need sshfs in the guest, and there is no package manager here that could install it' >&2
  exit 1
fi
