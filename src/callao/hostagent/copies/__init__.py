# SPDX-License-Identifier: GPL-3.0-or-later
"""``copyToHost``: files of the guest that are copied to the host once the instance is ready."""

from callao.hostagent.copies.host_copies import HostCopies

__all__ = ["HostCopies"]
