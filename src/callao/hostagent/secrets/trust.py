# SPDX-License-Identifier: GPL-3.0-or-later
"""The script by which a guest's programs trust an authority, as far as they ask the system. Pure."""

from __future__ import annotations

CERTIFICATE = "/run/callao/egress-ca.crt"

_SCRIPT = """\
set -eu
umask 022
root='ROOT'
certificate="${root}CERTIFICATE"
mkdir -p "${certificate%/*}"
printf %s 'PEM' >"$certificate"

if command -v update-ca-certificates >/dev/null; then
  folder="$root/usr/local/share/ca-certificates"
  [ ! -d "$root/etc/pki/trust/anchors" ] || folder="$root/etc/pki/trust/anchors"
  update=update-ca-certificates
elif command -v update-ca-trust >/dev/null; then
  folder="$root/etc/pki/ca-trust/source/anchors"
  [ -d "$folder" ] || folder="$root/etc/ca-certificates/trust-source/anchors"
  update=update-ca-trust
else
  echo "no update-ca-certificates and no update-ca-trust" >&2
  exit 3
fi
mkdir -p "$folder"
kept="$folder/callao-egress.crt"
! cmp -s "$certificate" "$kept" || exit 0

# Debian's update-ca-certificates reads all certificates anew, which takes an emulated guest a minute. Where
# no hook of another program has to be told, one more is added as it would be. What is looked for comes last.
certs="$root/etc/ssl/certs"
if [ -e "$root/etc/debian_version" ] && [ ! -e "$kept" ] && [ -s "$certs/ca-certificates.crt" ] &&
  command -v openssl >/dev/null && [ -z "$(ls -A "$root/etc/ca-certificates/update.d" 2>/dev/null)" ]; then
  hash=$(openssl x509 -subject_hash -noout -in "$certificate")
  number=0
  while [ -L "$certs/$hash.$number" ]; do number=$((number + 1)); done
  cat "$certs/ca-certificates.crt" "$certificate" >"$certs/ca-certificates.crt.new"
  mv -f "$certs/ca-certificates.crt.new" "$certs/ca-certificates.crt"
  ln -sf "$kept" "$certs/callao-egress.pem"
  ln -s callao-egress.pem "$certs/$hash.$number"
  cp "$certificate" "$kept"
else
  cp "$certificate" "$kept"
  rm -f "$certs/callao-egress.pem" # of another authority, whose name's hash would be kept
  $update >/dev/null 2>&1 || { rm -f "$kept" && exit 1; } # so that the next start tries again
fi
"""


def trust_script(pem: str, root: str = "") -> str:
    """For root's shell in the guest; it fails where no known program keeps the list of authorities.

    :param pem: the authority's certificate.
    :param root: a directory in place of the guest's.
    """
    return _SCRIPT.replace("ROOT", root).replace("CERTIFICATE", CERTIFICATE).replace("PEM", pem)
