# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml: read, merged, filled with defaults, validated, typed."""

from callao.config.schema import Arch, Config, Image, MountType, PortForward, Proto, VMType

__all__ = ["Arch", "Config", "Image", "MountType", "PortForward", "Proto", "VMType"]
