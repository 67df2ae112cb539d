# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses requests for ports of the host that are in use. A rule of a template waits instead until the port
is free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from callao.config import PortForward
from callao.errors import PortTaken
from callao.ports import Binding, named_ports, unavailable_reason


def refuse_taken_ports(
    requested: Iterable[PortForward], own: Collection[Binding], existing: Iterable[PortForward] = ()
) -> None:
    """Refuse rules that name a port of the host that another program uses.

    :param own: the ports that the instance forwards now.
    :param existing: the rules in effect, whose ports are not checked.
    :raises PortTaken: naming the program that uses the port.
    """
    own_ports = {(proto, port) for proto, _, port, _ in own}
    for end in named_ports(requested).keys() - named_ports(existing).keys():
        if (end[0], end[2]) not in own_ports and (reason := unavailable_reason(*end)):
            raise PortTaken(
                f"portForwards: {reason}.",
                hint="Choose another host port, or stop the program that uses it.",
                port=end[2],
            )
