# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs inside the guest: it reports listening ports to the host, and carries out what can
only be done from inside.

Every module but :mod:`callao.guest.zipapp` runs on the guest's own Python, 3.6 or newer, with the standard
library alone; hence the quoted annotations. A frame (:mod:`callao.guest.frames`) holds either a message
(:mod:`callao.guest.messages`) or data of a stream (:mod:`callao.guest.streams.window`). docs/protocols.md
describes the protocol.
"""
