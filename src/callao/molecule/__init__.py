# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule driver ``molecule-callao``: a Molecule scenario's platforms as instances.

Molecule loads :mod:`callao.molecule.driver` by an entry point in each of its commands, even for scenarios
with another driver. So that module imports only Molecule and the standard library, and the engine when it is
used.
"""
