# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host that somebody asks for by number: a request that names a taken one is refused, whereas
a template's rule waits until the port is free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from callao.config import PortForward
from callao.errors import PortTaken
from callao.ports import Binding, named_ports, unavailable_reason


def refuse_taken(
    asked: Iterable[PortForward], ours: Collection[Binding], before: Iterable[PortForward] = ()
) -> None:
    """Refuse rules that name a port of the host that somebody else has.

    :param ours: what the instance forwards now.
    :param before: rules that hold already, and are not asked for.
    :raises PortTaken: naming who has it.
    """
    have = {(proto, port) for proto, _, port, _ in ours}
    for at in named_ports(asked).keys() - named_ports(before).keys():
        if (at[0], at[2]) not in have and (why := unavailable_reason(*at)):
            raise PortTaken(
                f"portForwards: {why}.", hint="Choose another host port, or stop who has it.", port=at[2]
            )
