# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh. Has sshd listen at port 22 of vsock(7). systemd 256 and later generate such a socket themselves.
units=/etc/systemd/system
sshd=$(command -v sshd || echo /usr/sbin/sshd)

if [ ! -d /run/systemd/system ]; then
  echo "ssh.overVsock: there is no systemd in this image: ssh goes by the port"
elif [ ! -x "$sshd" ]; then
  echo "ssh.overVsock: there is no sshd at $sshd: ssh goes by the port"
elif [ ! -e /run/systemd/generator/sshd-vsock.socket ]; then
  known=
  [ ! -e "$units/callao-sshd-vsock.socket" ] || known=yes
  changed=
  put "$units/callao-sshd-vsock@.service" 644 "[Unit]
Description=sshd for a connection of the host by vsock

[Service]
ExecStart=-$sshd -i
StandardInput=socket
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes"
  put "$units/callao-sshd-vsock.socket" 644 "[Unit]
Description=sshd for the host, by vsock

[Socket]
ListenStream=vsock::22
Accept=yes

[Install]
WantedBy=sockets.target"
  # A unit that is new is read without a reload, which takes an emulated guest 4 s; "systemctl enable" reloads, too.
  [ -z "$known" ] || [ -z "$changed" ] || systemctl daemon-reload
  if [ -n "$changed" ]; then
    mkdir -p "$units/sockets.target.wants"
    ln -sf "$units/callao-sshd-vsock.socket" "$units/sockets.target.wants/callao-sshd-vsock.socket"
  fi
  systemctl --no-block start callao-sshd-vsock.socket
fi
