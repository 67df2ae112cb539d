# SPDX-License-Identifier: GPL-3.0-or-later
"""``lima-guestagent [PORT | unix:PATH | vsock:NUMBER]``: runs until SIGTERM."""

import sys

assert sys.platform == "linux"

import resource
import signal
import time
from collections.abc import Sequence

from callao.guest.channel import Channel, Work
from callao.guest.frames import FrameError
from callao.guest.link import Closed
from callao.guest.log import warn
from callao.guest.transport import Transport, transport

PORT = "/dev/virtio-ports/io.lima-vm.guest_agent.0"

PAUSE = 0.1
"""Seconds after each conversation, however short: nothing that a host does makes this spin."""

REST = 1.0
"""Seconds after what should not have happened."""


DESCRIPTORS = 4096
"""As many as there may be streams, and some for ourselves; systemd gives 1,024."""


class Ended(BaseException):
    """SIGTERM came. Raised wherever it finds us, so that nothing has to wake up to look for it."""


def _end(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Ended


def serve(hosts: Transport, work: Work) -> None:
    """One conversation after another."""
    while True:
        try:
            link = hosts.connect()
            try:
                Channel(link, work).run()
            finally:
                link.close()
        except Closed:
            time.sleep(PAUSE)
        except FrameError as error:
            warn(f"the host is not understood: {error}")
            time.sleep(PAUSE)
        except Exception as error:
            warn(f"{type(error).__name__}: {error}")
            time.sleep(REST)


def main(argv: "Sequence[str]") -> int:
    hosts = transport(argv[0] if argv else PORT)
    work = Work()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    try:
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGINT, _end)
        work.exposure.recover()
        serve(hosts, work)
    except Ended:
        pass
    finally:
        work.end()
        hosts.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
