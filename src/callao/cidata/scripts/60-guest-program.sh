# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh. The program that tells the host who listens here; it is restarted only when it changed.
program=$LIMA_CIDATA_GUEST_INSTALL_PREFIX/bin/lima-guestagent
changed=
# Where the host calls: by itself the program opens its virtio-serial port.
target=${LIMA_CIDATA_VSOCK_PORT:+ vsock:$LIMA_CIDATA_VSOCK_PORT}

install_program() {
  cmp -s "$LIMA_CIDATA_MNT/lima-guestagent.pyz" "$program" && return
  mkdir -p "${program%/*}"
  cp "$LIMA_CIDATA_MNT/lima-guestagent.pyz" "$program.new"
  chmod 755 "$program.new"
  mv -f "$program.new" "$program"
  changed=yes
}

# -I and -S: nothing of the machine's Python packages is needed, nor may it get in the way.
systemd_service() {
  unit=/etc/systemd/system/lima-guestagent.service
  link=/etc/systemd/system/multi-user.target.wants/lima-guestagent.service
  known=
  [ ! -e "$unit" ] || known=yes
  with_program=$changed
  changed=
  put "$unit" 644 "[Unit]
Description=Tells the host of listening ports
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/env python3 -IS $program$target
Restart=always
RestartSec=1
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target"
  [ -n "$changed$with_program" ] || return 0
  [ -h "$link" ] || { mkdir -p "${link%/*}" && ln -s "$unit" "$link"; }
  # A unit that is new is read without a reload, which takes an emulated guest 4 s; "systemctl enable" reloads, too.
  [ -z "$known" ] || [ -z "$changed" ] || systemctl daemon-reload
  # Not waited for: its job may come after the one that runs us.
  systemctl --no-block restart lima-guestagent.service
}

openrc_service() {
  put /etc/init.d/lima-guestagent 755 "#!/sbin/openrc-run
name=lima-guestagent
description='Tells the host of listening ports'
supervisor=supervise-daemon
respawn_delay=1
respawn_max=0
command=/usr/bin/env
command_args='python3 -IS $program$target'"
  [ -n "$changed" ] || return 0
  [ -h /etc/runlevels/default/lima-guestagent ] || rc-update add lima-guestagent default
  rc-service lima-guestagent restart
}

if ! command -v python3 >/dev/null; then
  echo "there is no python3 in this image: ports are not forwarded as they open"
elif [ -d /run/systemd/system ]; then
  install_program
  systemd_service
elif command -v openrc-run >/dev/null; then
  install_program
  openrc_service
else
  echo "neither systemd nor OpenRC runs here: ports are not forwarded as they open"
fi
