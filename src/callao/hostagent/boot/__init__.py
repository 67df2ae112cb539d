# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the hypervisor, and waits until the machine is ready."""
