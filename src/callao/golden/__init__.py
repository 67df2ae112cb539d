# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden images: Debian cloud images built from packages, once for each recipe."""

from callao.golden.build import Built, build, find
from callao.golden.recipe import Recipe, recipe

__all__ = ["Built", "Recipe", "build", "find", "recipe"]
