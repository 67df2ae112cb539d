# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs and changes the networks of networks.yaml. The file itself is read by :mod:`callao.config`."""
