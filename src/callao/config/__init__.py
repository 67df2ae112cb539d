# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml: read, merged, filled with defaults, validated, typed."""

from typing import TYPE_CHECKING

from callao.deferred import defer

if TYPE_CHECKING:
    from callao.config.defaults import mac_address
    from callao.config.document import Change, changes, to_document
    from callao.config.effective import check, effective
    from callao.config.environment import with_environment
    from callao.config.expand import message
    from callao.config.expression import query_document, transform
    from callao.config.jsonschema import json_schema
    from callao.config.merge import merge
    from callao.config.mounts import below_home
    from callao.config.names import check_name, check_socket_path, hostname_of
    from callao.config.positions import locate
    from callao.config.schema import Arch, Config, Image, MountType, PortForward, Proto, VMType
    from callao.config.sizes import format_size, parse_size
    from callao.config.yamltext import dump, load

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

__getattr__ = defer(
    __name__,
    {
        "defaults": ("mac_address",),
        "document": ("Change", "changes", "to_document"),
        "effective": ("check", "effective"),
        "environment": ("with_environment",),
        "expand": ("message",),
        "expression": ("query_document", "transform"),
        "jsonschema": ("json_schema",),
        "merge": ("merge",),
        "mounts": ("below_home",),
        "names": ("check_name", "check_socket_path", "hostname_of"),
        "positions": ("locate",),
        "schema": ("Arch", "Config", "Image", "MountType", "PortForward", "Proto", "VMType"),
        "sizes": ("format_size", "parse_size"),
        "yamltext": ("dump", "load"),
    },
)
