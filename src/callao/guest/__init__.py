# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs inside the guest: it tells the host who listens, and does the few things that
need to be done from within.

All but :mod:`callao.guest.pack` runs on the guest's own Python, 3.6 or newer, with nothing but the
standard library; hence the quoted annotations. Frames (:mod:`callao.guest.frames`) hold messages, which
are these objects, and pieces of streams (:mod:`callao.guest.streams`), which the host opens.

=============================================  ===========================================================
from the guest                                 when
=============================================  ===========================================================
hello: protocol, version, python, boot_id      the host came, or said hello; what was told before is void,
       [, answer]                              and all streams have ended; the answer is the host's id
listeners: added, removed                      after hello (everything, even if nothing), and on changes;
                                               an entry is [proto, address, port, source]; the source is
                                               socket, v6only (:: without IPv4) or dnat (containers)
pong: id, time                                 for ping; the guest's time in ns since 1970
timed: offset, stepped[, error]                for time; seconds that the guest was behind
exposed: ports[, error]                        for expose; the ports that are in effect by now
log: message                                   something was not understood
=============================================  ===========================================================

====================  ====================================================================================
from the host         what it does
====================  ====================================================================================
hello: [id]           everything is told again
ping: id              pong
time: now             ns since 1970: the clock is stepped if it is off by more than a second
scan                  looks at once
expose: ports         the whole set of [proto, port] that listen on 127.0.0.1 and shall be reached at the
                      NIC's address
====================  ====================================================================================
"""
