# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for vmnet-helper: its options, its line of JSON, its change of user, and its datagrams.

Runs as a program of its own, with the standard library alone. Written from the options.c and helper.c of
nirs/vmnet-helper 255cb10f. In place of vmnet's bridge, helpers of one mode find each other's sockets in a
folder beside the program. While the file ``failures`` there holds a number above 0, it ends with 1 and
counts it down.
"""

import argparse
import contextlib
import json
import os
import select
import socket
import sys
from pathlib import Path

HERE = Path(sys.argv[0]).parent


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--operation-mode", choices=["shared", "bridged", "host"], default="shared")
    for option in ("shared-interface", "start-address", "end-address", "subnet-mask"):
        parser.add_argument(f"--{option}")
    options = parser.parse_args()
    addresses = [options.start_address, options.end_address, options.subnet_mask]
    if any(addresses) != all(addresses):
        return failed("--start-address, --end-address, and --subnet-mask must be given together")
    if (options.operation_mode == "bridged") != bool(options.shared_interface):
        return failed("--shared-interface is for --operation-mode=bridged, which needs it")
    failures = HERE / "failures"
    left = int(failures.read_text()) if failures.exists() else 0
    if left:
        failures.write_text(str(left - 1))
        return failed("[main] vmnet_start_interface: VMNET_FAILURE")
    if os.geteuid() != 0:
        return failed("[main] vmnet_start_interface: VMNET_NOT_AUTHORIZED")
    bridge = HERE / f"vmnet.{options.operation_mode}"
    bridge.mkdir(exist_ok=True)
    bridge.chmod(0o777)
    sys.stdout.write(json.dumps({"vmnet_max_packet_size": 1514}) + "\n")
    sys.stdout.flush()
    os.setgid(int(os.environ["SUDO_GID"]))
    os.setuid(int(os.environ["SUDO_UID"]))
    forward(socket.socket(fileno=options.fd), bridge)
    return 0


def failed(words: str) -> int:
    sys.stderr.write(f"ERROR {words}\n")
    return 1


def forward(machine: socket.socket, bridge: Path) -> None:
    own = bridge / str(os.getpid())
    host = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    host.bind(str(own))
    while True:
        for each in select.select([machine, host], [], [])[0]:
            frame = each.recv(1 << 16)
            if each is host:
                machine.send(frame)
                continue
            for other in bridge.iterdir():
                if other != own:
                    with contextlib.suppress(OSError):  # of one that was killed
                        host.sendto(frame, str(other))


if __name__ == "__main__":
    sys.exit(main())
