# SPDX-License-Identifier: GPL-3.0-or-later
"""``lima-guestagent [PORT | unix:PATH | vsock:NUMBER]``: runs until SIGTERM."""

import sys

assert sys.platform == "linux"

import resource
import signal
import time
from collections.abc import Sequence

from callao.guest.frames import FrameError
from callao.guest.host_connection import GuestState, HostConnection
from callao.guest.link import LinkClosed
from callao.guest.log import warn
from callao.guest.transport import Transport, transport_for

DEFAULT_PORT = "/dev/virtio-ports/io.lima-vm.guest_agent.0"

RECONNECT_DELAY = 0.1
"""Seconds between the end of one connection and the next, so that no host can make this program use all of
the CPU."""

ERROR_DELAY = 1.0
"""Seconds to wait after an unexpected exception."""

MAX_DESCRIPTORS = 4096
"""Enough for the largest number of streams and for this program's own; systemd's default is 1,024."""


class Terminated(BaseException):
    """SIGTERM or SIGINT was received. The signal handler raises it, so that no loop has to poll a flag."""


def _on_signal(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Terminated


def serve(transport: Transport, state: GuestState) -> None:
    """Serve one connection of the host after another."""
    while True:
        try:
            link = transport.connect()
            try:
                HostConnection(link, state).run()
            finally:
                link.close()
        except LinkClosed:
            time.sleep(RECONNECT_DELAY)
        except FrameError as error:
            warn(f"the host broke the protocol: {error}")
            time.sleep(RECONNECT_DELAY)
        except Exception as error:
            warn(f"{type(error).__name__}: {error}")
            time.sleep(ERROR_DELAY)


def main(argv: "Sequence[str]") -> int:
    transport = transport_for(argv[0] if argv else DEFAULT_PORT)
    state = GuestState()
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft_limit = (
        MAX_DESCRIPTORS if hard_limit == resource.RLIM_INFINITY else min(hard_limit, MAX_DESCRIPTORS)
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard_limit))
    try:
        signal.signal(signal.SIGTERM, _on_signal)
        signal.signal(signal.SIGINT, _on_signal)
        state.exposure.remove_stale_rules()
        serve(transport, state)
    except Terminated:
        pass
    finally:
        state.close()
        transport.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
