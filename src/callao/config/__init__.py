# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml: read, merged, filled with defaults, validated, typed."""

from callao.config.defaults import mac_address
from callao.config.document import Change, changes, to_document
from callao.config.effective import check, effective
from callao.config.merge import merge
from callao.config.names import check_name
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
    "changes",
    "check",
    "check_name",
    "dump",
    "effective",
    "format_size",
    "load",
    "mac_address",
    "merge",
    "parse_size",
    "to_document",
]
