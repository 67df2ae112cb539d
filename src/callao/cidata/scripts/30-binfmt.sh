# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with binfmt: programs of other architectures run by QEMU's user mode emulation, which the
# distribution's packages register. See the kernel's Documentation/admin-guide/binfmt-misc.rst.
binfmt=/proc/sys/fs/binfmt_misc

# registered NAME: whether programs run in containers, too. With the flag F the kernel has opened the emulator, whose
# path need not exist there.
registered() {
  grep -q '^flags:.*F' "$binfmt/qemu-$1" 2>/dev/null
}

# Sets missing to those of the wanted ones that are not registered.
look() {
  missing=
  for name in $LIMA_CIDATA_BINFMT; do
    registered "$name" || missing="$missing $name"
  done
}

look
if [ -n "$missing" ]; then
  if [ -e /usr/lib/binfmt.d/qemu-aarch64.conf ] || [ -e /usr/lib/binfmt.d/qemu-x86_64.conf ]; then
    : # installed, and not registered
  elif command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update
    apt-get install -y qemu-user-static
  elif command -v dnf >/dev/null; then
    dnf install -y qemu-user-static
  else
    echo "binfmt needs QEMU's user mode emulation in the guest, and neither apt nor dnf is here to install it" >&2
    exit 1
  fi
  systemctl restart systemd-binfmt.service
  look
fi
if [ -n "$missing" ]; then
  echo "binfmt: the distribution's package has registered no emulator for containers of$missing" >&2
  exit 1
fi
