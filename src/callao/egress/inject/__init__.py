# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts secrets into HTTPS requests on the host, so that the guest never has them.

The guest has a placeholder. Connections to the servers that a secret is for end here: TLS is terminated with
a certificate of this one instance's authority, the placeholder in a request's headers is replaced by the
value, and the request goes on to the server, whose certificate is verified.

:mod:`.injector` and :mod:`.authority` are imported where a secret is injected: they load a library of
cryptography.
"""

from callao.egress.inject.server import Server
from callao.egress.inject.substitution import Injection, Misplaced, StreamScan, Substitution

__all__ = ["Injection", "Misplaced", "Server", "StreamScan", "Substitution"]
