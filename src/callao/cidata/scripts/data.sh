# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh.

# Put one file of mode data in its place. Content that is there already is not written again.
place() (
  set -e
  id=${1##*/}
  eval "path=\$LIMA_CIDATA_DATAFILE_${id}_PATH owner=\$LIMA_CIDATA_DATAFILE_${id}_OWNER"
  eval "overwrite=\$LIMA_CIDATA_DATAFILE_${id}_OVERWRITE permissions=\$LIMA_CIDATA_DATAFILE_${id}_PERMISSIONS"
  # shellcheck disable=SC2154 # set by eval
  if [ -e "$path" ] && [ "$overwrite" = false ]; then
    exit 0
  fi
  # shellcheck disable=SC2154
  make_parents "${path%/*}" "$owner"
  if ! cmp -s "$1" "$path"; then
    umask 077
    cp "$1" "$path"
  fi
  chown "$owner" "$path"
  # shellcheck disable=SC2154
  chmod "$permissions" "$path"
)

# make_parents FOLDER OWNER: what is missing of FOLDER is the owner's where it lies in a folder of the
# owner's, else root's: as if the owner had made it, could the owner have made it.
make_parents() {
  above=${1:-/}
  first=
  while [ ! -d "$above" ]; do
    first=$above
    above=${above%/*}
    above=${above:-/}
  done
  [ -n "$first" ] || return 0
  mkdir -p "$1"
  [ "$(stat -c %U "$above")" != "${2%%:*}" ] || chown -R "$2" "$first"
}
