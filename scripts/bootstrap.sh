#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything that `make up` and `make test` need and this machine lacks: OS packages, and .venv.
# usage: bootstrap.sh up|test|long
set -eu

purpose=$1
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv
needed_gib=6

say() { printf 'callao: %s\n' "$*"; }
fail() {
  printf 'callao: %s\n' "$*" >&2
  exit 1
}

apt_packages() {
  echo python3 python3-venv qemu-system-x86 qemu-utils ovmf openssh-client openssh-sftp-server
  echo mmdebstrap debian-archive-keyring grub-common grub-pc-bin grub-efi-amd64-bin mtools fdisk e2fsprogs
  [ "$(id -u)" = 0 ] || echo uidmap
  [ "$purpose" = up ] || echo shellcheck openssh-server iproute2 sudo util-linux qemu-system-arm binutils busybox-static dash rsync nftables
  [ "$purpose" != long ] || echo chromium gpg gpg-agent qemu-user-static qemu-efi-aarch64 opensbi qemu-system-ppc "$(own_emulators)"
}

# Debian 12 has the emulators of riscv64 and s390x in one package with others.
own_emulators() {
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")
  if [ "$release" = "debian 12" ]; then
    echo qemu-system-misc
  else
    echo qemu-system-riscv qemu-system-s390x
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    say "sudo is needed once, to install packages"
    sudo "$@"
  else
    fail "these packages are missing, and neither root nor sudo is here to install them: $missing"
  fi
}

install_apt() {
  missing=
  for package in $(apt_packages); do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || :)
    [ "$status" = installed ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing$missing"
  as_root apt-get update -qq
  # shellcheck disable=SC2086 # package names have no spaces
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

install_dnf() {
  missing="qemu-kvm qemu-img edk2-ovmf openssh-clients python3"
  # shellcheck disable=SC2086 # package names have no spaces
  rpm -q $missing >/dev/null 2>&1 || as_root dnf install -y -q $missing
}

install_brew() {
  command -v qemu-img >/dev/null || brew install --quiet qemu
}

install_packages() {
  if command -v apt-get >/dev/null; then
    install_apt
  elif command -v dnf >/dev/null; then
    install_dnf
  elif command -v brew >/dev/null; then
    install_brew
  else
    fail "there is no apt, dnf or brew here: install QEMU, its UEFI firmware and OpenSSH by hand, then pip install -e ."
  fi
}

check_space() {
  free=$(df -Pk "$root" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$needed_gib" ] || fail "$root has $free GiB free, and $needed_gib GiB are needed: make room."
}

# A Python that can make the environment; pyenv's shims may name one that isn't active.
find_python() {
  for python in python3 python3.13 python3.12 python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  fail "there is no Python 3.11 or newer with venv here: install one."
}

# uv's own part of the lock: pip verifies its hashes, and takes a minute for what uv then installs in seconds.
lock_of_uv() {
  awk '/^[^ #]/ { part = /^uv==/ } part' "$root/requirements.txt"
}

# Exactly what requirements.txt names, each file verified by its hash; then this tree, built with the locked hatchling.
# It is compiled now: uv leaves that to the first import, and under PYTHONDONTWRITEBYTECODE each start of Ansible would
# compile it again, for two seconds.
install_locked() {
  lock_of_uv >"$venv/uv.txt"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$venv/uv.txt"
  rm "$venv/uv.txt"
  # uv reads none of pip's settings: a mirror or a certificate authority that pip was told of counts here too.
  index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || echo "${PIP_INDEX_URL:-}")
  export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}" UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
  [ -n "$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX
  "$venv/bin/uv" pip sync -q --compile-bytecode --python "$venv/bin/python" --require-hashes "$root/requirements.txt"
  "$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps --no-build-isolation -e "$root"
}

make_venv() {
  stamp=$venv/.callao-stamp
  wanted=$(cat "$root/pyproject.toml" "$root/requirements.txt" "$root/src/callao/__init__.py" | cksum)
  [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
  python=$(find_python)
  say "making .venv"
  # An environment whose Python has gone, or that was moved here, is made anew.
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
  install_locked
  "$venv/bin/python" -m compileall -q "$root/src"
  echo "$wanted" >"$stamp"
}

check_space
install_packages
make_venv
