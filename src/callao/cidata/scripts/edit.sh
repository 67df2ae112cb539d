# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh, when there are provision entries of mode yq.
#
# The host makes the edit, as it has jq: a file "asked" in a folder of EDITS asks for it, "answered" is the answer,
# with "after" beside it. The host looks there as long as the guest boots. What an edit left unchanged the next
# time need not be asked again: a guest that reboots by itself has no host that looks.
EDITS=/run/lima-edits
SETTLED=/var/lib/callao/edits

# edit FILE: one file of provision.yq, which holds the expression.
edit() (
  set -e
  id=${1##*/}
  eval "path=\$LIMA_CIDATA_YQ_PROVISION_${id}_PATH owner=\$LIMA_CIDATA_YQ_PROVISION_${id}_OWNER"
  eval "permissions=\$LIMA_CIDATA_YQ_PROVISION_${id}_PERMISSIONS"
  # shellcheck disable=SC2154 # set by eval
  target=$path user=${owner%%:*}
  umask 077
  mkdir -p "$EDITS" "$EDITS/$id" "$SETTLED"
  chmod 755 "$EDITS" "$EDITS/$id"
  rm -f "$EDITS/$id"/*
  folder=${target%/*}
  export target folder # for what by_owner runs
  # shellcheck disable=SC2016 # the variables are for the shell that by_owner starts
  by_owner "$user" 'umask 022; mkdir -p "${folder:-/}"'
  if [ -e "$target" ]; then
    # shellcheck disable=SC2016
    by_owner "$user" 'test -f "$target" && test -w "$target"' || {
      echo "LIMA| $target is not a file that $user can write" >&2
      exit 1
    }
    cp "$target" "$EDITS/$id/before"
  fi
  sum=$(state "$1" "$EDITS/$id/before")
  if [ ! -e "$SETTLED/$id" ] || [ "$(cat "$SETTLED/$id")" != "$sum" ]; then
    ask_host "$EDITS/$id" "$target"
    if [ ! -e "$target" ] || ! cmp -s "$EDITS/$id/after" "$target"; then
      # shellcheck disable=SC2016
      by_owner "$user" 'umask 022; cat >"$target"' <"$EDITS/$id/after"
    fi
    case $answer in
    settled) state "$1" "$EDITS/$id/after" >"$SETTLED/$id" ;;
    *) rm -f "$SETTLED/$id" ;;
    esac
  fi
  rm -rf "${EDITS:?}/$id"
  chown "$owner" "$target"
  # shellcheck disable=SC2154
  chmod "$permissions" "$target"
)

# by_owner USER COMMAND: a shell's command line, run as the owner, so that nothing is made that the owner could not.
by_owner() {
  if [ "$1" = root ]; then
    sh -c "$2"
  else
    su -s /bin/sh "$1" -c "$2"
  fi
}

# state EXPRESSION FILE: what tells both from what they were before.
state() {
  if [ -e "$2" ]; then
    cat "$1" "$2" | sha256sum
  else
    sha256sum <"$1"
  fi
}

# ask_host FOLDER PATH: sets answer: "settled" where the same edit would change nothing more, "changed", or the shell ends.
ask_host() {
  : >"$1/asked"
  tries=1200
  while [ ! -e "$1/answered" ]; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
      echo "LIMA| $2: the host has not answered within two minutes: it does when the instance starts" >&2
      exit 1
    fi
    sleep 0.1
  done
  read -r answer words <"$1/answered"
  case $answer in
  settled | changed) ;;
  *)
    echo "LIMA| $2: $words" >&2
    exit 1
    ;;
  esac
}
