# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml: read, merged, filled with defaults, validated, typed."""

from typing import TYPE_CHECKING

from callao.config.defaults import below_home, mac_address
from callao.config.document import Change, changes, to_document
from callao.config.effective import check, effective
from callao.config.environment import with_environment
from callao.config.expand import message
from callao.config.merge import merge
from callao.config.names import check_name, check_socket_path, hostname_of
from callao.config.schema import Arch, Config, Image, MountType, PortForward, Proto, VMType
from callao.config.sizes import format_size, parse_size
from callao.config.yamltext import dump, load

if TYPE_CHECKING:
    from callao.config.expression import query_document, transform
    from callao.config.jsonschema import json_schema
    from callao.config.positions import locate

__all__ = [
    "Arch",
    "Change",
    "Config",
    "Image",
    "MountType",
    "PortForward",
    "Proto",
    "VMType",
    "below_home",
    "changes",
    "check",
    "check_name",
    "check_socket_path",
    "dump",
    "effective",
    "format_size",
    "hostname_of",
    "json_schema",
    "load",
    "locate",
    "mac_address",
    "merge",
    "message",
    "parse_size",
    "query_document",
    "to_document",
    "transform",
    "with_environment",
]

_SELDOM = {
    "json_schema": "jsonschema",
    "locate": "positions",
    "query_document": "expression",
    "transform": "expression",
}
"""Names that only errors and tools ask for, and their modules: no task shall pay for importing them."""


def __getattr__(name: str) -> object:
    if name not in _SELDOM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_SELDOM[name]}"), name)
