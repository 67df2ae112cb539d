# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins a distribution's packages to the archive's snapshot of one day, and makes the script for the
guest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Distribution:
    """A distribution with a snapshot archive; the patterns match the URIs of its current archive, for
    awk."""

    images: str
    """The host name of its image server."""
    archive: str
    security: str
    archive_pattern: str
    security_pattern: str


DISTRIBUTIONS = (
    Distribution(
        images="cloud.debian.org",
        archive="https://snapshot.debian.org/archive/debian/",
        security="https://snapshot.debian.org/archive/debian-security/",
        archive_pattern=(
            "^https?://([^/]*[.])?debian[.]org/(archive/)?debian(/|$)"
            "|^mirror[+]file:/+etc/apt/mirrors/debian[.]list$"
        ),
        security_pattern=(
            "^https?://([^/]*[.])?debian[.]org/(archive/)?debian-security(/|$)"
            "|^https?://security[.]debian[.]org/?$"
            "|^mirror[+]file:/+etc/apt/mirrors/debian-security[.]list$"
        ),
    ),
    Distribution(
        images="cloud-images.ubuntu.com",
        archive="https://snapshot.ubuntu.com/ubuntu/",
        security="https://snapshot.ubuntu.com/ubuntu/",
        archive_pattern="^https?://([^/]*[.])?ubuntu[.]com/ubuntu(-ports)?(/|$)",
        security_pattern="^$",
    ),
)


def snapshot_of(locations: Iterable[str], when: datetime) -> str:
    """The snapshot at ``when`` for images from ``locations``; empty for a distribution without snapshots."""
    hosts = {urlsplit(location).hostname for location in locations}
    for distribution in DISTRIBUTIONS:
        if distribution.images in hosts:
            return distribution.archive + when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return ""


def provision(packages: str) -> dict[str, object] | None:
    """The entry of ``provision`` that pins a guest to a snapshot; None if there is no snapshot.

    It has mode ``boot``, which runs before packages are installed by cloud-init (``upgradePackages``), by
    our scripts or by the user's.
    """
    for distribution in DISTRIBUTIONS:
        if packages.startswith(distribution.archive):
            return {"mode": "boot", "script": _script(distribution, packages)}
    return None


def _script(distribution: Distribution, packages: str) -> str:
    words = {
        "archive": packages,
        "security": distribution.security + packages.removeprefix(distribution.archive),
        "archive_pattern": distribution.archive_pattern,
        "security_pattern": distribution.security_pattern,
    }
    values = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
    return SCRIPT.replace("#VALUES\n", values)


SCRIPT = r"""#!/bin/sh
# Points apt at the snapshot of packages that callao.lock names, on every boot; twice changes nothing.
set -eu

#VALUES
export archive security archive_pattern security_pattern

[ -d /etc/apt ] || exit 0

# cloud-init writes the sources anew on the first boot, unless it is told not to.
if [ -d /etc/cloud/cloud.cfg.d ]; then
  printf 'apt:\n  preserve_sources_list: true\n' >/etc/cloud/cloud.cfg.d/99-callao-snapshot.cfg
fi

# Where a URI of the distribution leads instead; other repositories stay as they are.
# shellcheck disable=SC2016 # awk's
common='
function pinned(uri) {
  if (uri ~ ENVIRON["security_pattern"]) return ENVIRON["security"]
  if (uri ~ ENVIRON["archive_pattern"]) return ENVIRON["archive"]
  return ""
}
'

# "deb [OPTIONS] URI SUITE ...": a snapshot's Release file is past its date, which apt would refuse.
# shellcheck disable=SC2016
one_line='
match($0, /^[ \t]*deb(-src)?[ \t]+(\[[^]]*\][ \t]+)?/) {
  head = substr($0, 1, RLENGTH)
  rest = substr($0, RLENGTH + 1)
  uri = rest
  sub(/[ \t].*/, "", uri)
  place = pinned(uri)
  if (place != "") {
    if (head ~ /check-valid-until=/) gsub(/check-valid-until=[^] \t]*/, "check-valid-until=no", head)
    else if (head ~ /\[/) sub(/\[[ \t]*/, "[check-valid-until=no ", head)
    else head = head "[check-valid-until=no] "
    $0 = head place substr(rest, length(uri) + 1)
  }
}
{ print }
'

# Paragraphs of "Field: value", see deb822(5); a value goes on in lines that begin with a space.
# shellcheck disable=SC2016
deb822='
function replaced(line,   words, n, i, place, label) {
  label = ""
  if (match(line, /^[A-Za-z-]+:/)) {
    label = substr(line, 1, RLENGTH)
    line = substr(line, RLENGTH + 1)
  }
  n = split(line, words, /[ \t]+/)
  for (i = 1; i <= n; i++) {
    if (words[i] == "") continue
    place = pinned(words[i])
    if (place != "") found = 1
    label = label " " (place != "" ? place : words[i])
  }
  return label
}
function flush(   i, field, last) {
  found = 0
  last = 0
  for (i = 1; i <= count; i++) {
    if (match(lines[i], /^[A-Za-z-]+:/)) field = tolower(substr(lines[i], 1, RLENGTH))
    fields[i] = lines[i] ~ /^#/ ? "#" : field
    if (fields[i] == "uris:") {
      lines[i] = replaced(lines[i])
      last = i
    }
  }
  for (i = 1; i <= count; i++) {
    if (found && fields[i] == "check-valid-until:") continue
    print lines[i]
    if (found && i == last) print "Check-Valid-Until: no"
  }
  count = 0
}
/^[ \t]*$/ { flush(); print; next }
{ lines[++count] = $0 }
END { flush() }
'

for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] || continue
  case $file in
  *.sources) program=$deb822 ;;
  *) program=$one_line ;;
  esac
  awk "$common$program" "$file" >"$file.callao"
  # Into the file itself, which keeps its mode; apt passes over names such as that of the other.
  cmp -s "$file" "$file.callao" || cat "$file.callao" >"$file"
  rm -f "$file.callao"
done
"""
