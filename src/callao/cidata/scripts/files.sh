# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Sourced by boot.sh, for the scripts that it includes: how they write files of the guest.

# put FILE MODE TEXT: replaces the file as a whole if it differs, and sets changed then.
put() {
  printf '%s\n' "$3" | cmp -s - "$1" && return
  [ -d "${1%/*}" ] || mkdir -p "${1%/*}"
  printf '%s\n' "$3" >"$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
  # shellcheck disable=SC2034 # the script that calls reads it
  changed=yes
}

# put_block FILE CONTENT: what the file CONTENT holds stands in FILE between our markers, in the place
# of what stood between them before; without content, the markers go, too. FILE is written only when
# that changes it, and in place, so that it keeps its owner, mode and security label.
put_block() {
  newline='
'
  block=
  while IFS= read -r line || [ -n "$line" ]; do
    block="$block$line$newline"
  done <"$2"
  [ -z "$block" ] || block="#LIMA-START$newline$block#LIMA-END$newline"
  before=
  after=
  held=
  inside=
  placed=
  if [ -e "$1" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      before="$before$line$newline"
      case $inside$line in
      '#LIMA-START')
        inside=+
        [ -n "$placed" ] || after="$after$block"
        placed=+
        ;;
      '+#LIMA-END')
        inside=
        held=
        ;;
      +*) held="$held$line$newline" ;;
      *) after="$after$line$newline" ;;
      esac
    done <"$1"
  fi
  # A start without an end: somebody edited here, and what follows is theirs.
  after="$after$held"
  [ -n "$placed" ] || after="$after$block"
  [ "$before" = "$after" ] || printf '%s' "$after" >"$1"
}
