# SPDX-License-Identifier: GPL-3.0-or-later
"""``secrets`` of a running machine: in memory here, and on a file system in memory in the guest."""

from callao.hostagent.secrets.guest_secrets import GuestSecrets
from callao.hostagent.secrets.injected import InjectedSecrets
from callao.hostagent.secrets.starting_values import StartingValues, values_at_start

__all__ = ["GuestSecrets", "InjectedSecrets", "StartingValues", "values_at_start"]
