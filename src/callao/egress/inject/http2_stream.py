# SPDX-License-Identifier: GPL-3.0-or-later
"""One request of a guest by HTTP/2: its stream on the guest's side, and that on the server's.

A byte is acknowledged to the side that has sent it when the other side's windows have let it through. So no
more waits here than the windows that were offered, and a slow reader slows the sender.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from h2.exceptions import NoSuchStreamError

from callao.egress.inject.http2_peer import STREAM_WINDOW, Http2Peer
from callao.egress.inject.substitution import Headers, StreamScan


@dataclass(eq=False)
class Flow:
    """The body of one direction. ``ended`` is set when the source has sent all, ``done`` when the target has
    been sent all; ``passed`` counts bytes."""

    source: Http2Peer
    source_id: int
    target: Http2Peer
    target_id: int
    ended: bool = False
    done: bool = False
    passed: int = 0
    trailers: Headers | None = None
    spare: int = 0
    """Bytes that the source's window has beyond those that each stream has."""
    _waiting: deque[tuple[memoryview, int]] = field(default_factory=deque)
    """The data, and the bytes that its padding takes of the source's window."""

    def add(self, data: bytes, window_bytes: int) -> None:
        """:param window_bytes: that the data takes of the source's window."""
        if data:
            self._waiting.append((memoryview(data), window_bytes - len(data)))
        else:
            self.source.acknowledge(window_bytes, self.source_id)

    def send(self) -> None:
        """Send as much as the target's windows allow.

        :raises NoSuchStreamError: when the target's stream has ended.
        """
        h2, target = self.target.h2, self.target_id
        while self._waiting:
            size = min(h2.local_flow_control_window(target), h2.max_outbound_frame_size)
            if size <= 0:
                return
            data, padding = self._waiting.popleft()
            part, rest = data[:size], data[size:]
            if rest:
                self._waiting.appendleft((rest, padding))
            last = self.ended and self.trailers is None and not self._waiting
            h2.send_data(target, part, end_stream=last)
            self.passed += len(part)
            self.source.acknowledge(len(part) if rest else len(part) + padding, self.source_id)
            self.done = last
        if self.ended and not self.done:
            self.done = True
            if self.trailers is None:
                h2.end_stream(target)
            else:
                h2.send_headers(target, self.trailers, end_stream=True)

    def widen(self) -> None:
        """Have more under way of a long body: a window for each round trip limits the throughput."""
        if not self.ended and self.passed > STREAM_WINDOW + self.spare:
            self.spare += self.source.widen(self.source_id)

    def discard(self) -> None:
        """Give back the connection's window for what is not sent any more."""
        for data, padding in self._waiting:
            self.source.acknowledge(len(data) + padding, self.source_id)
        self._waiting.clear()
        self.ended = self.done = True


@dataclass(eq=False)
class Http2Stream:
    """``scan`` looks for placeholders in the request's body."""

    guest: Http2Peer
    guest_id: int
    server: Http2Peer
    server_id: int
    scan: StreamScan
    answered: bool = False
    """Whether the guest has the beginning of the answer."""
    reset_after: int | None = None
    """How the server has reset the stream after its whole answer."""

    def __post_init__(self) -> None:
        self.up = Flow(self.guest, self.guest_id, self.server, self.server_id)
        self.down = Flow(self.server, self.server_id, self.guest, self.guest_id)

    @property
    def is_done(self) -> bool:
        return self.up.done and self.down.done

    def send(self) -> bool:
        """Send what can be sent in both directions; returns False where one side has ended the stream."""
        try:
            for flow in (self.up, self.down):
                if not flow.done:
                    flow.send()
        except NoSuchStreamError:
            return False
        if self.reset_after is not None and self.down.done:
            self.guest.reset(self.guest_id, self.reset_after)
        return True
