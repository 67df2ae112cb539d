# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with containerd.user or containerd.system: installs what containerd needs of the distribution.
missing=
command -v iptables >/dev/null || [ -x /usr/sbin/iptables ] || missing=iptables
if [ -n "$LIMA_CIDATA_CONTAINERD_USER" ]; then
  command -v newuidmap >/dev/null || missing="$missing uidmap"
  command -v fusermount3 >/dev/null || missing="$missing fuse3"
fi
if [ -z "$missing" ]; then
  :
elif command -v apt-get >/dev/null; then
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  [ -z "$LIMA_CIDATA_CONTAINERD_USER" ] || missing="$missing dbus-user-session"
  apt-get update
  # shellcheck disable=SC2086 # several packages
  apt-get install -y --no-install-recommends $missing
elif command -v dnf >/dev/null; then
  dnf install -y iptables ${LIMA_CIDATA_CONTAINERD_USER:+shadow-utils fuse3}
elif command -v zypper >/dev/null; then
  zypper --non-interactive install iptables ${LIMA_CIDATA_CONTAINERD_USER:+shadow fuse3}
elif command -v pacman >/dev/null; then
  pacman -S --noconfirm --needed iptables ${LIMA_CIDATA_CONTAINERD_USER:+fuse3}
else
  echo "containerd needs$missing in the guest, and there is no package manager here that could install it" >&2
  exit 1
fi
