# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the guest's network settings: exposed ports, and the redirection of DNS."""
