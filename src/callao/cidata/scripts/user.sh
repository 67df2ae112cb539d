# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh, when there are provision scripts of mode user.

# Scripts of mode user may talk to the user's own systemd: it has to run before they do, and to stay
# when nobody is logged in. Without one there is at least the directory that a login would have made.
start_user_manager() {
  runtime=/run/user/$LIMA_CIDATA_UID
  if [ -d /run/systemd/system ] && [ -e /usr/lib/systemd/system/user@.service ] && command -v loginctl >/dev/null; then
    [ -e "/var/lib/systemd/linger/$LIMA_CIDATA_USER" ] || loginctl enable-linger "$LIMA_CIDATA_USER" || return 0
    tries=150
    while [ ! -e "$runtime/systemd/private" ] && [ "$tries" -gt 0 ]; do
      tries=$((tries - 1))
      sleep 0.2
    done
  elif [ ! -d "$runtime" ]; then
    mkdir -p "$runtime"
    chown "$LIMA_CIDATA_USER" "$runtime"
    chmod 700 "$runtime"
  fi
}

# The seed is root's alone, and /run may be mounted without exec: the script goes to the user's home.
as_user() (
  set -e
  script=$LIMA_CIDATA_HOME/.lima-user-script
  run=$LIMA_CIDATA_HOME/.lima-user-run
  trap 'rm -f "$script" "$run"' EXIT
  umask 077
  cp "$1" "$script"
  cp "$LIMA_CIDATA_MNT/user-run.sh" "$run"
  chown "$LIMA_CIDATA_USER" "$script" "$run"
  umask 022
  su -l "$LIMA_CIDATA_USER" -c "exec '$run'"
)
