# SPDX-License-Identifier: GPL-3.0-or-later
"""What arguments and flags mean: instances, templates, changes of a lima.yaml; and their completion."""
