#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prepares the guest and runs the user's provision scripts: as root, on every boot, from the seed.
# "boot.sh early" is what has to come before sshd: the environment, and provision scripts of mode boot.
#
# Each program started costs an emulated guest 5 to 10 ms, so what the shell can do itself, it does.
set -u

: "${LIMA_CIDATA_MNT:=/mnt/lima-cidata}" "${HOME:=/root}"
export LIMA_CIDATA_MNT HOME
DONE=/run/lima-boot-done
EARLY=/run/lima-boot-early
newline='
'
code=0
failed=

# What lima.yaml calls a file of the seed: provision.MODE/0000000N is provision[N] (MODE).
entitle() {
  title=${1#"$LIMA_CIDATA_MNT/"}
  case $title in
  provision.*)
    mode=${title%%/*}
    number=${title##*/}
    while [ "$number" != "${number#0?}" ]; do
      number=${number#0}
    done
    title="provision[$number] (${mode#provision.})"
    ;;
  esac
}

# Run each file of a folder by the command given; a failure is noted and the rest goes on.
run_all() {
  for file in "$LIMA_CIDATA_MNT/$1"/*; do
    [ -e "$file" ] || break
    run_one "$file" "$2"
  done
}

run_one() {
  entitle "$1"
  echo "LIMA| $title"
  "$2" "$1"
  status=$?
  [ "$status" -ne 0 ] || return 0
  echo "LIMA| $title failed with status $status" >&2
  [ "$code" -ne 0 ] || code=$status
  failed="${failed}failed=$title$newline"
}

# shellcheck disable=SC2317 # called by name
execute() {
  "$1"
}

# Our own scripts: no program needs to be started for them.
# shellcheck disable=SC2317
include() (
  set -e
  # shellcheck source=/dev/null
  . "$1"
)

# Whoever waits for the file finds it whole.
report() {
  printf 'code=%s\n%s' "$code" "$failed" >"$1.new"
  mv -f "$1.new" "$1"
}

# shellcheck source=/dev/null
. "$LIMA_CIDATA_MNT/env.sh"
# shellcheck source=/dev/null
. "$LIMA_CIDATA_MNT/files.sh"

if [ "${1-}" = early ]; then
  [ ! -e "$LIMA_CIDATA_MNT/boot/40-environment.sh" ] || run_one "$LIMA_CIDATA_MNT/boot/40-environment.sh" include
  run_all provision.boot execute
  [ "$code" -eq 0 ] || report "$EARLY"
  exit "$code"
fi

[ ! -e "$DONE" ] || rm -f "$DONE"
if [ -e "$EARLY" ]; then
  while IFS= read -r line; do
    case $line in
    code=*) code=${line#code=} ;;
    failed=*) failed="$failed$line$newline" ;;
    esac
  done <"$EARLY"
fi

run_all boot.essential include
run_all boot include
run_all provision.dependency execute
run_all boot.packages include
if [ -e "$LIMA_CIDATA_MNT/data.sh" ]; then
  # shellcheck source=/dev/null
  . "$LIMA_CIDATA_MNT/data.sh"
  run_all provision.data place
fi
if [ -e "$LIMA_CIDATA_MNT/edit.sh" ]; then
  # shellcheck source=/dev/null
  . "$LIMA_CIDATA_MNT/edit.sh"
  run_all provision.yq edit
fi
run_all provision.system execute
if [ -e "$LIMA_CIDATA_MNT/user.sh" ]; then
  # shellcheck source=/dev/null
  . "$LIMA_CIDATA_MNT/user.sh"
  start_user_manager
  run_all provision.user as_user
fi

# What cloud-init did in the first boot it never does again: whoever is told that the guest is ready may end the
# machine, so it is on the disk then. Our own first boot takes care of that itself.
settled=/var/lib/cloud/instance/callao.settled
if [ -d "${settled%/*}" ] && [ ! -e "$settled" ] && [ ! -e /run/callao/first-boot ]; then
  sync -f / && : >"$settled"
fi
report "$DONE"
exit "$code"
