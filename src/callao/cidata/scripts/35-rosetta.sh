# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with vmOpts.vz.rosetta.enabled: Apple's translator of x86-64 programs is in a share of its own.
point=/mnt/lima-rosetta
binfmt=/proc/sys/fs/binfmt_misc
mkdir -p "$point"
mountpoint -q "$point" || mount -t virtiofs vz-rosetta "$point" 2>/dev/null || :
if [ ! -x "$point/rosetta" ]; then
  echo "Rosetta is not installed on the host: softwareupdate --install-rosetta"
elif [ -n "$LIMA_CIDATA_ROSETTA_BINFMT" ] && [ ! -e "$binfmt/rosetta" ]; then
  [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
  # ELF, 64 bits, x86-64, a program or a shared object: see Documentation/admin-guide/binfmt-misc.rst. The flags have
  # the kernel open the translator now, so that containers need no path to it.
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00'
  mask='\xff\xff\xff\xff\xff\xfe\xfe\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":rosetta:M::$magic:$mask:$point/rosetta:OCF" >"$binfmt/register"
fi
