# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, merges, completes, validates and types lima.yaml."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.config.coercion import coerce
    from callao.config.defaults import mac_address
    from callao.config.document import Change, as_written, changes, to_document
    from callao.config.effective import check_schema, effective
    from callao.config.environment import with_environment
    from callao.config.jq_expression import apply_jq, query_document
    from callao.config.jsonschema import json_schema
    from callao.config.merge import merge, merge_without_combining
    from callao.config.merged_text import merge_texts
    from callao.config.message import message
    from callao.config.mounts import below_home
    from callao.config.names import check_hostname, check_name, check_socket_path, hostname_of
    from callao.config.override_files import merge_override_files
    from callao.config.parameters import unused_parameters
    from callao.config.positions import locate_problems
    from callao.config.schema import Arch, Config, Image, MountType, PortForward, Proto, VMType
    from callao.config.sizes import format_size, parse_size
    from callao.config.yamltext import dump, has_more_documents, load

__all__ = [
    "Arch",
    "Change",
    "Config",
    "Image",
    "MountType",
    "PortForward",
    "Proto",
    "VMType",
    "apply_jq",
    "as_written",
    "below_home",
    "changes",
    "check_hostname",
    "check_name",
    "check_schema",
    "check_socket_path",
    "coerce",
    "dump",
    "effective",
    "format_size",
    "has_more_documents",
    "hostname_of",
    "json_schema",
    "load",
    "locate_problems",
    "mac_address",
    "merge",
    "merge_override_files",
    "merge_texts",
    "merge_without_combining",
    "message",
    "parse_size",
    "query_document",
    "to_document",
    "unused_parameters",
    "with_environment",
]

__getattr__ = lazy_attributes(
    __name__,
    {
        "merged_text": ("merge_texts",),
        "defaults": ("mac_address",),
        "document": ("Change", "as_written", "changes", "to_document"),
        "effective": ("check_schema", "effective"),
        "environment": ("with_environment",),
        "jq_expression": ("query_document", "apply_jq"),
        "jsonschema": ("json_schema",),
        "override_files": ("merge_override_files",),
        "merge": ("merge", "merge_without_combining"),
        "message": ("message",),
        "mounts": ("below_home",),
        "names": ("check_hostname", "check_name", "check_socket_path", "hostname_of"),
        "parameters": ("unused_parameters",),
        "positions": ("locate_problems",),
        "schema": ("Arch", "Config", "Image", "MountType", "PortForward", "Proto", "VMType"),
        "coercion": ("coerce",),
        "sizes": ("format_size", "parse_size"),
        "yamltext": ("dump", "has_more_documents", "load"),
    },
)
