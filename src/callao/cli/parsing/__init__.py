# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing of command lines: plain ones without click, which is slow to import, all others by click."""
