# SPDX-License-Identifier: GPL-3.0-or-later
"""Names on the wire (RFC 1035 section 4.1.4), stricter than dnslib reads and writes them."""

from __future__ import annotations

from dnslib import DNSBuffer, DNSLabel
from dnslib.buffer import BufferError as WireError

__all__ = ["NameBuffer", "WireError"]

MAX_NAME = 255
MAX_LABEL = 63
MAX_POINTER = 0x3FFF


class NameBuffer(DNSBuffer):
    """Reads names from untrusted messages, and writes messages of more than 16 KiB.

    dnslib's own class accepts only labels that are UTF-8, follows pointer loops without end, and writes
    pointers to offsets that do not fit into 14 bits.
    """

    offset: int

    def decode_name(self, last: int = -1) -> DNSLabel:  # noqa: ARG002 # dnslib's signature
        labels: list[bytes] = []
        size = 1
        earliest = self.offset
        after = -1
        while length := self._byte():
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | self._byte()
                after = self.offset if after < 0 else after
                if target >= earliest:
                    raise WireError("A pointer has to lead backwards.")
                self.offset = earliest = target
                continue
            size += 1 + length
            if length > MAX_LABEL or size > MAX_NAME:
                raise WireError("A name is too long, or its label of an unknown kind.")
            labels.append(self.get(length))
        if after >= 0:
            self.offset = after
        return DNSLabel(labels)

    def encode_name(self, name: DNSLabel) -> None:
        labels = name.label
        while labels:
            at = self.names.get(labels)
            if at is not None:
                self.pack("!H", 0xC000 | at)
                return
            if self.offset <= MAX_POINTER:
                self.names[labels] = self.offset
            self.pack("!B", len(labels[0]))
            self.append(labels[0])
            labels = labels[1:]
        self.append(b"\0")

    def _byte(self) -> int:
        return int(self.unpack("!B")[0])
