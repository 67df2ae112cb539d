# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings an instance from its actual state to the state that a request asks for."""

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
