# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for krunkit (src/main.rs, src/context.rs, libkrun): see :mod:`support.apple`.

It has no handlers of signals: one ends the machine at once. The sockets that it made stay.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import krunkit as grammar
from files import Disk as Files
from verdict import Refusal

from support.apple import faults as faulty
from support.apple import sockets
from support.apple.faults import Fault
from support.apple.idle import IdleMachine, guest_wanted
from support.apple.krunkit_rest import Service
from support.apple.qemu import Machine, start
from support.apple.spec import Disk, Firmware, Nic, Refused, Share, Spec, VsockPort

VERSION = "CALLAO_STAND_IN_KRUNKIT_VERSION"


def main(argv: list[str]) -> int:
    faults = faulty.injected()
    version = os.environ.get(VERSION, "1.3.1")
    if argv in (["--version"], ["-V"]):
        return faulty.print_version(faults, f"krunkit {version}")
    faulty.before_anything(faults)
    numbers = tuple(map(int, version.split(".")))
    try:
        parsed = grammar.parse(argv, Files(), numbers)  # type: ignore[arg-type]
    except Refusal as refusal:
        if refusal.exit == 2:
            sys.stderr.write(
                f"error: {refusal.why}\n\nUsage: krunkit [OPTIONS] --cpus <CPUS> --memory <MEMORY>\n"
            )
        elif refusal.exit == 1:
            sys.stderr.write(f"Error: {refusal.why}\n")
        return refusal.exit
    try:
        return asyncio.run(Program(parsed, numbers, faults).run())  # type: ignore[arg-type]
    except Refused as refused:
        sys.stderr.write(f"Error: {refused}\n")
        return 1


class Program:
    def __init__(
        self, parsed: dict[str, Any], version: tuple[int, int, int], faults: frozenset[Fault]
    ) -> None:
        self._parsed = parsed
        self._version = version
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        await faulty.at_start(self._faults)
        spec = self._spec()
        for each in spec.vsock_ports:
            if each.connect and os.path.lexists(each.path):
                raise Refused(f"unable to add vsock port {each.port} for path {each.path}")
        if Fault.SIGNALS_IGNORED in self._faults:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        machine = await start(spec, sys.stderr.fileno()) if guest_wanted() else IdleMachine()
        try:
            self._rest(machine)
            if name := self._parsed["pidfile"]:
                number = 999_999_999 if Fault.PIDFILE_STALE in self._faults else os.getpid()
                Path(name).write_text(str(number))
            self._vsock(machine, spec)
            self._tasks.add(asyncio.create_task(faulty.while_running(self._faults, machine.end)))
            await machine.wait()
        finally:
            machine.end()
        if Fault.LINGER in self._faults:
            await asyncio.sleep(4)
        return 0

    def _rest(self, machine: Machine | IdleMachine) -> None:
        uri = self._parsed["restfulUri"] or {"scheme": "none"}
        if uri["scheme"] == "none" or Fault.REST_ABSENT in self._faults:
            return
        service = Service(machine.power_button, self._version, self._faults)
        try:
            server = service.listen(
                uri["scheme"], uri.get("host", ""), uri.get("port", 0), uri.get("path", "")
            )
        except OSError as error:  # a thread of krunkit's panics, and the machine runs without the service
            sys.stderr.write(
                f"thread '<unnamed>' panicked: Unable to bind to unix socket: {error.strerror}\n"
            )
            return
        self._tasks.add(asyncio.create_task(service.serve(server)))

    def _vsock(self, machine: Machine | IdleMachine, spec: Spec) -> None:
        if Fault.VSOCK_ABSENT in self._faults:
            return
        for each in spec.vsock_ports:
            if {Fault.VSOCK_CLOSE, Fault.VSOCK_HANG, Fault.VSOCK_GARBAGE} & self._faults:
                self._tasks.add(asyncio.create_task(faulty.serve_badly(each.path, self._faults)))
            elif machine.vsock is None:
                return
            elif each.connect:
                machine.vsock.connect(each.port, each.path)
            else:
                machine.vsock.listen(each.port, each.path)

    def _spec(self) -> Spec:
        devices = self._parsed["devices"]
        of = lambda kind: [each for each in devices if each["kind"] == kind]  # noqa: E731
        if len(of("virtio-serial")) > 1:
            raise Refused("unable to set krun console output")
        firmware = self._parsed["firmwarePath"]
        if firmware and not Path(firmware).exists():
            raise Refused("unable to configure the firmware to be loaded")
        for each in of("virtio-blk"):
            if not Path(each["path"]).exists():
                raise Refused("unable to set krun virtio-blk disk")
        nics = [_nic(each) for each in of("virtio-net")]
        ports = [
            VsockPort(each["port"], each["socketURL"], each["action"] == "connect")
            for each in of("virtio-vsock")
        ]
        return Spec(
            cpus=self._parsed["cpus"],
            memory=self._parsed["memoryMiB"],
            boot=Firmware(None),
            disks=tuple(Disk(each["path"], each["format"]) for each in of("virtio-blk")),
            nics=tuple(nic for nic, _ in nics),
            descriptors=tuple(number for _, number in nics),
            serial_logs=tuple(each["logFilePath"] for each in of("virtio-serial")),
            shares=tuple(Share(each["sharedDir"], each["mountTag"]) for each in of("virtio-fs")),
            vsock_ports=tuple(ports),
            vsock=bool(ports),
            devices=("virtio-rng-pci",),
        )


def _nic(device: dict[str, Any]) -> tuple[Nic, int]:
    """And the descriptor that QEMU inherits."""
    number, path, kind = device["fd"], device["path"], device["type"]
    if path is not None and kind == "unixgram":
        number = sockets.datagrams(path, f"{path}-krun.sock", magic=device["vfkitMagic"]).detach()
    elif path is not None:
        number = sockets.stream(path).detach()
    if number is None:
        raise Refused("unable to set krun network")
    try:
        os.set_inheritable(number, True)
    except OSError:
        raise Refused(f"unable to set krun network: bad descriptor {number}") from None
    return Nic(device["mac"], sockets.netdev(kind, number)), number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
