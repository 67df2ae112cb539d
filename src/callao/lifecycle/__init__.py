# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle: an instance brought from what it is to what a request says."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.lifecycle.ensure import ensure
    from callao.lifecycle.request import Outcome, Request

__all__ = ["Outcome", "Request", "ensure"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "ensure": ("ensure",),
        "request": ("Outcome", "Request"),
    },
)
