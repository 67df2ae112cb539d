# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's HTTP API on ha.sock: server, routes, handlers, and the client for other processes."""
