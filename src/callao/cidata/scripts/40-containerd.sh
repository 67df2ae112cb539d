# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh with containerd.user or containerd.system: installs the archive on the seed when it is another
# one than last time, and has systemd run what is asked for.
prefix=$LIMA_CIDATA_GUEST_INSTALL_PREFIX
installed=$prefix/lib/callao-containerd-archive
user=$LIMA_CIDATA_USER
home=$LIMA_CIDATA_HOME
runtime=/run/user/$LIMA_CIDATA_UID
PATH=$prefix/bin:$PATH

if [ ! -d /run/systemd/system ]; then
  echo 'containerd needs systemd, which does not run in this guest' >&2
  exit 1
fi

# as_login COMMAND: by the user, who has a systemd of their own.
as_login() {
  su -l "$user" -c "PATH='$prefix/bin':\$PATH:/usr/sbin:/sbin; export PATH
    XDG_RUNTIME_DIR='$runtime' CONTAINERD_NAMESPACE=default CONTAINERD_SNAPSHOTTER=$snapshotter
    export XDG_RUNTIME_DIR CONTAINERD_NAMESPACE CONTAINERD_SNAPSHOTTER
    $1"
}

# new FILE: the standard input, unless the file is there: it may be the user's own by now.
new() {
  if [ -e "$1" ]; then
    cat >/dev/null
  else
    mkdir -p "${1%/*}"
    cat >"$1.new"
    mv "$1.new" "$1"
  fi
}

# kernel_has MAJOR MINOR: whether this kernel is at least that one.
kernel_has() {
  release=$(uname -r)
  major=${release%%.*}
  minor=${release#*.}
  minor=${minor%%[!0-9]*}
  [ "$major" -gt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -ge "$2" ]; }
}

snapshotter=overlayfs
kernel_has 5 13 || snapshotter=fuse-overlayfs

install_archive() {
  ! cmp -s "$LIMA_CIDATA_MNT/nerdctl-full.version" "$installed" || return 0
  if [ -e "$installed" ]; then
    systemctl disable --now containerd buildkit stargz-snapshotter || :
    for what in uninstall-buildkit-containerd uninstall-stargz uninstall; do
      as_login "containerd-rootless-setuptool.sh $what" || :
    done
  fi
  mkdir -p "$prefix"
  tar -x -z -f "$LIMA_CIDATA_MNT/nerdctl-full.tgz" -C "$prefix" --no-same-owner
  mkdir -p /etc/bash_completion.d "${installed%/*}"
  nerdctl completion bash >/etc/bash_completion.d/nerdctl
  # Last, so that a boot that is cut short does all of it again.
  cp "$LIMA_CIDATA_MNT/nerdctl-full.version" "$installed"
}

for_system() {
  new /etc/containerd/config.toml <<'END'
version = 2
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins."io.containerd.grpc.v1.cri"]
enable_cdi = true

[proxy_plugins.stargz]
type = "snapshot"
address = "/run/containerd-stargz-grpc/containerd-stargz-grpc.sock"
END
  new /etc/buildkit/buildkitd.toml <<'END'
[worker.oci]
enabled = false

[worker.containerd]
enabled = true
namespace = "default"
snapshotter = "overlayfs"
END
  systemctl enable --now containerd buildkit stargz-snapshotter
}

# What a user may do without root, see rootlesscontaine.rs.
allow_rootless() {
  for file in /etc/subuid /etc/subgid; do
    grep -qs "^$user:" "$file" || echo "$user:524288:1073741824" >>"$file"
  done
  changed=
  if [ ! -e /etc/systemd/system/user@.service.d/callao-delegate.conf ]; then
    printf '[Service]\nDelegate=yes\n' | new /etc/systemd/system/user@.service.d/callao-delegate.conf
    changed=yes
  fi
  if [ ! -e /etc/sysctl.d/90-rootless.conf ]; then
    {
      [ ! -e /proc/sys/kernel/unprivileged_userns_clone ] || echo 'kernel.unprivileged_userns_clone = 1'
      echo 'net.ipv4.ip_unprivileged_port_start = 0'
      echo 'net.ipv4.ping_group_range = 0 2147483647'
    } | new /etc/sysctl.d/90-rootless.conf
    systemctl restart systemd-sysctl.service
  fi
  # Ubuntu's kernels let only programs with such a profile make user namespaces.
  profile=/etc/apparmor.d/callao-rootlesskit
  if [ -e /proc/sys/kernel/apparmor_restrict_unprivileged_userns ] && [ -e /etc/apparmor.d/abi/4.0 ] &&
    [ ! -e "$profile" ]; then
    new "$profile" <<END
abi <abi/4.0>,
include <tunables/global>

profile callao-rootlesskit $prefix/bin/rootlesskit flags=(unconfined) {
  userns,
}
END
    apparmor_parser -r "$profile"
  fi
  [ -z "$changed" ] || systemctl daemon-reload
}

for_user() {
  allow_rootless
  # shellcheck source=/dev/null
  . "$LIMA_CIDATA_MNT/user.sh"
  start_user_manager
  [ ! -e "$home/.config/systemd/user/containerd.service" ] || return 0
  new "$home/.config/containerd/config.toml" <<END
version = 2

[plugins."io.containerd.grpc.v1.cri"]
enable_cdi = true

[proxy_plugins.fuse-overlayfs]
type = "snapshot"
address = "$runtime/containerd-fuse-overlayfs.sock"

[proxy_plugins.stargz]
type = "snapshot"
address = "$runtime/containerd-stargz-grpc/containerd-stargz-grpc.sock"
END
  chown -R "$user" "$home/.config"
  # SELinux keeps systemd from units that the tool has just written.
  enforcing=
  if command -v getenforce >/dev/null && [ "$(getenforce)" = Enforcing ]; then
    enforcing=yes
    setenforce 0
  fi
  status=0
  set_up || status=$?
  [ -z "$enforcing" ] || setenforce 1
  return "$status"
}

set_up() {
  as_login 'systemctl --user start dbus' || :
  as_login 'containerd-rootless-setuptool.sh install' || return
  as_login 'containerd-rootless-setuptool.sh install-buildkit-containerd' || return
  if [ "$snapshotter" = overlayfs ]; then
    as_login 'containerd-rootless-setuptool.sh install-stargz'
  else
    as_login 'containerd-rootless-setuptool.sh install-fuse-overlayfs'
  fi
}

install_archive
[ -z "$LIMA_CIDATA_CONTAINERD_SYSTEM" ] || for_system
[ -z "$LIMA_CIDATA_CONTAINERD_USER" ] || for_user
