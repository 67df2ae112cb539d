# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, merges, completes, validates and types lima.yaml."""

from typing import TYPE_CHECKING

from callao.deferred import defer

if TYPE_CHECKING:
    from callao.config.defaults import mac_address
    from callao.config.document import Change, as_written, changes, to_document
    from callao.config.effective import check, effective, unheard
    from callao.config.environment import with_environment
    from callao.config.expression import query_document, transform
    from callao.config.jsonschema import json_schema
    from callao.config.layers import lay
    from callao.config.merge import merge, stack
    from callao.config.merged_text import written
    from callao.config.message import message
    from callao.config.mounts import below_home
    from callao.config.names import check_hostname, check_name, check_socket_path, hostname_of
    from callao.config.parameters import unused
    from callao.config.positions import locate
    from callao.config.schema import Arch, Config, Image, MountType, PortForward, Proto, VMType
    from callao.config.sizes import format_size, parse_size
    from callao.config.structure import conform
    from callao.config.yamltext import dump, has_more, load

__all__ = [
    "Arch",
    "Change",
    "Config",
    "Image",
    "MountType",
    "PortForward",
    "Proto",
    "VMType",
    "as_written",
    "below_home",
    "changes",
    "check",
    "check_hostname",
    "check_name",
    "check_socket_path",
    "conform",
    "dump",
    "effective",
    "format_size",
    "has_more",
    "hostname_of",
    "json_schema",
    "lay",
    "load",
    "locate",
    "mac_address",
    "merge",
    "message",
    "parse_size",
    "query_document",
    "stack",
    "to_document",
    "transform",
    "unheard",
    "unused",
    "with_environment",
    "written",
]

__getattr__ = defer(
    __name__,
    {
        "merged_text": ("written",),
        "defaults": ("mac_address",),
        "document": ("Change", "as_written", "changes", "to_document"),
        "effective": ("check", "effective", "unheard"),
        "environment": ("with_environment",),
        "expression": ("query_document", "transform"),
        "jsonschema": ("json_schema",),
        "layers": ("lay",),
        "merge": ("merge", "stack"),
        "message": ("message",),
        "mounts": ("below_home",),
        "names": ("check_hostname", "check_name", "check_socket_path", "hostname_of"),
        "parameters": ("unused",),
        "positions": ("locate",),
        "schema": ("Arch", "Config", "Image", "MountType", "PortForward", "Proto", "VMType"),
        "structure": ("conform",),
        "sizes": ("format_size", "parse_size"),
        "yamltext": ("dump", "has_more", "load"),
    },
)
