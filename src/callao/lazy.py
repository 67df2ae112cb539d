# SPDX-License-Identifier: GPL-3.0-or-later
"""Lazy imports: a package re-exports names, and imports the module of a name when the name is first used.

A quick command needs one small module of a package, and importing all the others would take too long.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType


def lazy_attributes(package: str, modules: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """A ``__getattr__`` for ``package`` (PEP 562) that imports a name's module when it is first asked for.

    :param modules: of each module of the package, the names that the package offers.
    """
    module = sys.modules[package]
    module_of = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(module, name, value)
        return value

    if any(name == module for name, module in module_of.items()):
        module.__class__ = _Package
    return find


class _Package(ModuleType):
    """A package that exports a name equal to a module's: ``plan`` of ``callao.instances.plan``."""

    def __setattr__(self, name: str, value: object) -> None:
        """Python's import sets the attribute to the module; this replaces the module by the public name."""
        if isinstance(value, ModuleType) and name in self.__all__:
            value = getattr(value, name)
        super().__setattr__(name, value)
