# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for vfkit (cmd/vfkit): see :mod:`support.apple`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vfkit as grammar
from files import Disk as Files
from verdict import Refusal

from support.apple import faults as faulty
from support.apple import leases, sockets
from support.apple.faults import Fault
from support.apple.idle import IdleMachine, guest_wanted
from support.apple.qemu import Machine, start
from support.apple.spec import Disk, Firmware, Kernel, Nic, Refused, Share, Spec, VsockPort
from support.apple.vfkit_rest import Service

VERSION = "CALLAO_STAND_IN_VFKIT_VERSION"
PATIENCE = 5.0
"""Seconds after a signal in which the guest may shut down."""
DISKS = {"virtioblk": "virtio-blk-pci", "nvme": "nvme", "usbmassstorage": "usb-storage"}


def main(argv: list[str]) -> int:
    faults = faulty.injected()
    if argv in (["--version"], ["-v"]):
        version = os.environ.get(VERSION, "v0.6.4")
        return faulty.print_version(faults, f"vfkit version: {version}")
    faulty.before_anything(faults)
    try:
        parsed = grammar.parse(argv, Files())
    except Refusal as refusal:
        if refusal.exit == 0:
            sys.stdout.write("vfkit is a simple hypervisor\n")
            return 0
        usage = "Usage:\n  vfkit [flags]\n\nFlags:\n" + "      --flag string\n" * 17
        sys.stderr.write(f"Error: {refusal.why}\n{usage}\n{refusal.why}\n")
        return refusal.exit
    if (name := parsed.get("pidfile")) and Fault.PIDFILE_STALE not in faults:
        Path(name).write_text(str(os.getpid()))
    elif name:
        Path(name).write_text("999999999")
    try:
        return asyncio.run(Program(parsed, faults).run())
    except Refused as refused:
        sys.stderr.write(f"Error: {refused}\nUsage:\n  vfkit [flags]\n{refused}\n")
        return 1


def log(level: str, message: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    sys.stderr.write(f'time="{stamp}" level={level} msg="{message}"\n')
    sys.stderr.flush()


class Program:
    def __init__(self, parsed: dict[str, Any], faults: frozenset[Fault]) -> None:
        self._parsed = parsed
        self._faults = faults
        self._at_exit: list[Callable[[], object]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        await faulty.at_start(self._faults)
        if self._parsed.get("nested"):
            raise Refused("nested virtualization is not supported")
        try:
            spec = self._spec()
            machine = await start(spec, sys.stderr.fileno()) if guest_wanted() else IdleMachine()
        except BaseException:
            self._exit()
            raise
        try:
            await self._rest(machine)
            self._signals(machine)
            log("info", "virtual machine is running")
            self._vsock(machine, spec)
            self._tasks.add(asyncio.create_task(faulty.while_running(self._faults, machine.end)))
            log("info", "waiting for VM to stop")
            await machine.wait()
            log("info", "VM is stopped")
        finally:
            machine.close()
            self._exit()
        if Fault.LINGER in self._faults:
            await asyncio.sleep(4)
        return 0

    def _exit(self) -> None:
        for each in self._at_exit:
            with contextlib.suppress(OSError):
                each()

    async def _rest(self, machine: Machine | IdleMachine) -> None:
        uri = self._parsed.get("restfulUri")
        if uri is None:
            return
        inspected = {key: value for key, value in self._parsed.items() if key not in ("gui", "restfulUri")}
        place = uri["path"] if uri["scheme"] == "unix" else uri["host"]
        service = Service(machine, inspected, self._faults)
        try:
            await service.listen(uri["scheme"], place)
        except OSError as error:
            log("fatal", f"listen {uri['scheme']} {place}: bind: {error.strerror}")
            machine.end()
            self._exit()
            os._exit(1)
        if uri["scheme"] == "unix":
            self._at_exit.append(Path(place).unlink)

    def _signals(self, machine: Machine | IdleMachine) -> None:
        def stop(name: str) -> None:
            sys.stderr.write(f"captured {name}, calling exit handlers and exiting..\n")
            sys.stderr.flush()
            self._tasks.add(asyncio.create_task(self._shut_down(machine)))

        for number, name in ((signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupt")):
            if Fault.SIGNALS_IGNORED in self._faults:
                signal.signal(number, signal.SIG_IGN)
            else:
                asyncio.get_running_loop().add_signal_handler(number, stop, name)

    async def _shut_down(self, machine: Machine | IdleMachine) -> None:
        if Fault.STOP_IGNORED not in self._faults:
            await machine.power_button()
        await asyncio.sleep(PATIENCE)
        log("warning", "failed to wait for VM stop: timeout waiting for VM state, forcing stop")
        machine.end()

    def _vsock(self, machine: Machine | IdleMachine, spec: Spec) -> None:
        """A socket that cannot be made is a warning: the machine runs without it."""
        for each in spec.vsock_ports:
            if not each.path:
                continue
            listening = "" if each.connect else " (listening)"
            log("info", f"Exposing vsock port {each.port} on {each.path}{listening}")
            try:
                if Fault.VSOCK_ABSENT in self._faults:
                    raise ValueError("operation not permitted")
                self._expose(machine, each)
            except (OSError, ValueError) as error:
                log("warning", f"error exposing vsock port {each.port}: {error}")

    def _expose(self, machine: Machine | IdleMachine, port: VsockPort) -> None:
        if {Fault.VSOCK_CLOSE, Fault.VSOCK_HANG, Fault.VSOCK_GARBAGE} & self._faults:
            path = sockets.connect_path_of_vfkit(port.path)
            self._tasks.add(asyncio.create_task(faulty.serve_badly(path, self._faults)))
            self._at_exit.append(Path(path).unlink)
        elif machine.vsock is None:
            return
        elif port.connect:
            machine.vsock.connect(port.port, sockets.connect_path_of_vfkit(port.path))
        else:
            machine.vsock.listen(port.port, sockets.listen_path_of_vfkit(port.path))

    def _spec(self) -> Spec:
        devices = self._parsed["devices"]
        of = lambda kind: [each for each in devices if each["kind"] == kind]  # noqa: E731
        for each in of("rosetta"):
            if not each["ignoreIfMissing"]:
                raise Refused("rosetta is not installed")
        nics = [self._nic(each) for each in of("virtionet")]
        others = {"virtiorng": "virtio-rng-pci", "virtioballoon": "virtio-balloon-pci"}
        return Spec(
            cpus=self._parsed["vcpus"],
            memory=self._parsed["memoryBytes"] >> 20,
            boot=self._boot(),
            disks=tuple(_disk(each) for each in devices if each["kind"] in DISKS),
            nics=tuple(nic for nic, _ in nics),
            descriptors=tuple(number for _, number in nics if number >= 0),
            serial_logs=tuple(each["logFile"] for each in of("virtioserial") if "logFile" in each),
            shares=tuple(_share(each) for each in of("virtiofs")),
            vsock_ports=tuple(
                VsockPort(each["port"], each["socketURL"], not each.get("listen"))
                for each in of("virtiosock")
            ),
            vsock=bool(of("virtiosock")),
            devices=tuple(name for kind, name in others.items() if of(kind)),
        )

    def _boot(self) -> Kernel | Firmware:
        boot = self._parsed["bootloader"]
        match boot.get("kind"):
            case "linuxBootloader":
                kernel = Kernel(boot["vmlinuzPath"], boot["initrdPath"], boot["kernelCmdLine"])
                if missing := [
                    each for each in (kernel.path, kernel.initrd) if each and not Path(each).exists()
                ]:
                    raise Refused(f"open {missing[0]}: no such file or directory")
                return kernel
            case "efiBootloader":
                return Firmware(Path(boot["efiVariableStorePath"]), create=boot["createVariableStore"])
        raise Refused("this host has no macOS guests")

    def _nic(self, device: dict[str, Any]) -> tuple[Nic, int]:
        """And the descriptor that QEMU inherits, or -1."""
        mac, path = device.get("macAddress", ""), device.get("unixSocketPath", "")
        if device["nat"]:
            address = leases.address_for(mac)
            leases.write(mac, address, self._faults)
            subnet = leases.SUBNET
            net = f"net={subnet}.0/24,host={subnet}.1,dns={subnet}.254,dhcpstart={leases.guest_address(mac)}"
            return Nic(mac, f"user,{net},hostfwd=tcp:{address}:{leases.SSH}-:22"), -1
        number = device.get("fd", -1)
        if path:
            local = sockets.local_of_vfkit(path)
            number = sockets.datagrams(path, local, magic=device.get("vfkitMagic", False)).detach()
            self._at_exit.append(Path(local).unlink)
            log("info", f"local: {local} remote: {path}")
        os.set_inheritable(number, True)
        return Nic(mac, sockets.netdev("unixgram", number)), number


def _disk(device: dict[str, Any]) -> Disk:
    path = device.get("imagePath", "")
    if not Path(path).exists():
        raise Refused(f"missing disk image {path}")
    serial = device.get("deviceIdentifier", "")
    return Disk(path, "raw", bool(device.get("readOnly")), serial, DISKS[device["kind"]])


def _share(device: dict[str, Any]) -> Share:
    if not device["sharedDir"]:
        raise Refused("missing mandatory 'sharedDir' option for virtio-fs device")
    return Share(device["sharedDir"], device["mountTag"] or Path(device["sharedDir"]).name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
