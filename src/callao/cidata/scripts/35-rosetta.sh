# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with vmOpts.vz.rosetta.enabled: Apple's translator of x86-64 programs is in a share of its own.
point=/mnt/lima-rosetta
binfmt=/proc/sys/fs/binfmt_misc
# systemd-binfmt(8) registers what lies there, and would remove at its own start what does not.
registered=/usr/lib/binfmt.d/rosetta.conf
cache=/var/cache/rosettad
socket=$cache/uds/rosetta.sock
devices=/etc/cdi/rosetta.yaml
users_link=$LIMA_CIDATA_HOME/.config/cdi/rosetta.yaml

register() {
  # ELF, 64 bits, x86-64, a program or a shared object: see Documentation/admin-guide/binfmt-misc.rst. The flags have
  # the kernel open the translator now, so that containers need no path to it.
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00'
  mask='\xff\xff\xff\xff\xff\xfe\xfe\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  line=":rosetta:M::$magic:$mask:$point/rosetta:OCF"
  # Alpine's qemu-binfmt registers an emulator for the same programs.
  [ ! -e /etc/init.d/qemu-binfmt ] || rc-service --ifstarted qemu-binfmt stop
  if [ ! -e "$binfmt/rosetta" ]; then
    [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
    printf '%s' "$line" >"$binfmt/register"
  fi
  [ ! -d "${registered%/*}" ] || put "$registered" 644 "$line"
}

unregister() {
  [ ! -e "$binfmt/rosetta" ] || printf '%s' -1 >"$binfmt/rosetta"
  [ ! -e "$registered" ] || rm -f "$registered"
}

# The daemon that keeps translations for the next start of a program. It makes the socket as root alone may use it.
systemd_daemon() {
  units=/etc/systemd/system
  link=$units/multi-user.target.wants/rosettad.service
  known=
  [ ! -e "$units/rosettad.service" ] || known=yes
  changed=
  put "$units/rosettad.service" 644 "[Unit]
Description=Cache of programs that Rosetta has translated
ConditionPathExists=$point/rosettad
RequiresMountsFor=$point

[Service]
RuntimeDirectory=rosettad
CacheDirectory=rosettad
ExecStartPre=rm -f $socket
ExecStart=$point/rosettad daemon $cache
ExecStartPost=sh -c 'until chmod go+w $socket 2>/dev/null; do sleep 1; done; ln -sf $socket /run/rosettad/rosetta.sock'
OOMPolicy=continue
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target"
  [ -h "$link" ] || { mkdir -p "${link%/*}" && ln -s "$units/rosettad.service" "$link"; }
  [ -z "$known" ] || [ -z "$changed" ] || systemctl daemon-reload
  # Not waited for: its job may come after the one that runs us.
  systemctl --no-block start rosettad.service
}

openrc_daemon() {
  changed=
  put /etc/init.d/rosettad 755 "#!/sbin/openrc-run
name=rosettad
description='Cache of programs that Rosetta has translated'
required_files=$point/rosettad
command=$point/rosettad
command_args='daemon $cache'
command_background=true
pidfile=/run/rosettad.pid
start_pre() {
  rm -f $socket
  mkdir -p $cache /run/rosettad
}
start_post() {
  until chmod go+w $socket 2>/dev/null; do sleep 1; done
  ln -sf $socket /run/rosettad/rosetta.sock
}"
  [ -h /etc/runlevels/default/rosettad ] || rc-update add rosettad default
  rc-service --ifstopped rosettad start &
}

# How a container asks for the daemon's socket: --device=lima-vm.io/rosetta=cached. nerdctl without root looks in the
# user's own folder.
offer_to_containers() {
  put "$devices" 644 'cdiVersion: "0.6.0"
kind: lima-vm.io/rosetta
devices:
- name: cached
  containerEdits:
    mounts:
    - hostPath: '"$socket"'
      containerPath: /run/rosettad/rosetta.sock
      options: [bind]
annotations:
  org.mobyproject.buildkit.device.autoallow: "true"'
  mkdir -p /run/cdi /etc/buildkit/cdi
  for folder in "$LIMA_CIDATA_HOME/.config" "${users_link%/*}"; do
    [ -d "$folder" ] || { mkdir "$folder" && chown "$LIMA_CIDATA_USER:" "$folder"; }
  done
  [ -h "$users_link" ] || { ln -s "$devices" "$users_link" && chown -h "$LIMA_CIDATA_USER:" "$users_link"; }
}

mkdir -p "$point"
mountpoint -q "$point" || mount -t virtiofs vz-rosetta "$point" 2>/dev/null || :
if [ ! -x "$point/rosetta" ]; then
  echo "Rosetta is not installed on the host: softwareupdate --install-rosetta"
elif [ -n "$LIMA_CIDATA_ROSETTA_BINFMT" ]; then
  register
else
  unregister
fi

if [ ! -x "$point/rosettad" ]; then # macOS 13, or no Rosetta
  rm -f "$devices" "$users_link"
elif [ -d /run/systemd/system ]; then
  systemd_daemon
  offer_to_containers
elif command -v openrc-run >/dev/null; then
  openrc_daemon
  offer_to_containers
fi
