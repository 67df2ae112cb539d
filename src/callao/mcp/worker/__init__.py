# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the MCP server that runs in the guest, on its own Python (3.6 or newer) with the standard
library alone. Its sources are sent over ssh; no file is written in the guest."""
