# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule driver ``molecule-callao``: a Molecule scenario's platforms as instances.

Molecule loads :mod:`callao.molecule.driver` by an entry point, in each of its commands, whatever driver
the scenario has. So that room imports Molecule and the standard library, and the engine only when it acts.
"""
