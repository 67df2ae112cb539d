#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What makes the boot of a golden image quick: part of the hook that mmdebstrap runs, with the new root's folder as
# $root. What a boot does without is left out here, and what only a user wants comes after sshd.
set -eu

units="${root:?}/lib/systemd/system"
own="$root/etc/systemd/system"

# drop_in UNIT SECTION LINE: a setting of a unit.
drop_in() {
  mkdir -p "$own/$1.d"
  printf '[%s]\n%s\n' "$2" "$3" >"$own/$1.d/callao.conf"
}

# sshd waits for none of these three: the clock is the host's until a time server answers, names come later, and
# the record of the boot has its time whenever it is written. An order cannot be taken back by a drop-in, so that
# these are copies.
sed -e '/^WantedBy=/s/=.*/=multi-user.target/' -e '/^Wants=time-set/d' \
  -e '/^After=/s/$/ multi-user.target/' -e '/^Before=/s/=.*/=shutdown.target/' \
  "$units/systemd-timesyncd.service" >"$own/systemd-timesyncd.service"
drop_in systemd-timesyncd.service Service StartupCPUWeight=10
sed -e '/^WantedBy=/s/=.*/=multi-user.target/' -e '/^After=/s/$/ ssh.service/' \
  -e '/^Before=/s/=.*/=nss-lookup.target network-online.target multi-user.target shutdown.target/' \
  "$units/systemd-resolved.service" >"$own/systemd-resolved.service"
chroot "$root" systemctl reenable systemd-timesyncd.service systemd-resolved.service >/dev/null 2>&1
if [ -e "$units/systemd-update-utmp.service" ]; then
  sed -e '/^Before=/s/=.*/=shutdown.target/' -e '/^After=/s/$/ callao-boot.service/' \
    "$units/systemd-update-utmp.service" >"$own/systemd-update-utmp.service"
  drop_in systemd-update-utmp-runlevel.service Unit After=callao-boot.service
fi
# The host's login, and what it waits for there, before all that nobody waits for.
drop_in user.slice Slice StartupCPUWeight=1000

# Modules that are loaded when somebody uses them; udev has their file systems mounted then, which takes these units.
for module in configfs drm fuse; do
  drop_in "modprobe@$module.service" Unit "ConditionPathExists=/sys/module/$module"
done
# Nobody runs a compiled Python program by its name alone; without this there are no binary formats to set up.
rm -f "$root"/usr/lib/binfmt.d/python3*.conf
# The kernel's command line says nothing of networks as a rule: see systemd-network-generator.service(8).
drop_in systemd-network-generator.service Unit "$(printf 'ConditionKernelCommandLine=|%s\n' \
  ip rd.route nameserver rd.peerdns vlan bond bridge bootdev ifname rd.neednet net.ifname_policy)"
# Of 490 events at boot 360 are of modules and drivers that are loaded already, of virtual consoles and the like,
# which no rule is for. Of ACPI's devices the power button alone needs a module.
drop_in systemd-udev-trigger.service Service 'ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add --prioritized-subsystem=block,tpmrm,net,input \
  --subsystem-nomatch=tty --subsystem-nomatch=vc --subsystem-nomatch=wakeup --subsystem-nomatch=acpi \
  --subsystem-nomatch=pci_bus --subsystem-nomatch=pci_express
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=tty --subsystem-match=acpi \
  --sysname-match=tty[A-Z]* --sysname-match=hvc* --sysname-match=console --sysname-match=tty \
  --sysname-match=ptmx --sysname-match=LNXPWRBN:* --sysname-match=PNP0C0C:*'
# No partition is found by its type, no machine was put to sleep, no update waits for a boot.
mkdir -p "$root/etc/systemd/system-generators"
for generator in gpt-auto hibernate-resume system-update; do
  ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
done
# By itself a login prompt waits for five seconds, or till nothing else starts: here the host takes it for a sign.
drop_in serial-getty@.service Service Type=simple
# Checks the configuration that sshd itself reads, and refuses, a moment later; a reload still does.
drop_in ssh.service Service ExecStartPre=
# No LVM, no repart.d, no crash dumps here; the second loads two modules that nothing uses.
for unit in e2scrub_reap systemd-repart systemd-pstore; do
  ln -s /dev/null "$own/$unit.service"
done
