# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# Runs as the user, in a login shell's environment; what scripts may rely on is exported above.
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
export XDG_RUNTIME_DIR
exec "$LIMA_CIDATA_HOME/.lima-user-script"
