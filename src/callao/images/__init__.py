# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: fetched once, verified while they stream, kept in the cache as qcow2."""

from callao.images.fetched import Fetched

__all__ = ["Fetched"]
