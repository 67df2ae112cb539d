# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m support.wsl.program``: plays ``wsl.exe``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass, replace

from support.wsl import guest, store, texts
from support.wsl.faults import Fault, next_fault
from support.wsl.store import Entry
from support.wsl.texts import FAILED, Failed

_FOLDER = re.compile(r"[A-Za-z]:\\[^<>:\"/|?*]+")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_UNITS = {"MB": 20, "GB": 30, "TB": 40}
_SIZE = re.compile(r"(\d+)(MB|GB|TB)")
_SPARSE = (
    "The requested operation cannot be completed due to virtual disk system limitations. The virtual hard "
    "disk file must be an uncompressed and unencrypted file and cannot be a sparse file.\n"
)
_VERSION = (
    "WSL version: 2.5.10.0\nKernel version: 6.6.87.2-1\nWSLg version: 1.0.66\nWindows version: 10.0.26100\n"
)
_USAGE = "Copyright (c) Microsoft Corporation. Alle Rechte vorbehalten.\nVerwendung: wsl.exe [Argument]\n"


@dataclass
class Call:
    """One call: its options, and the fault that is to be made."""

    argv: list[str]
    fault: Fault | None

    def run(self) -> int:
        if said := texts.stub():
            raise Failed(said)
        if self.fault is Fault.DENIED:
            raise texts.error("E_ACCESSDENIED", "Service/CreateInstance")
        if self.fault is Fault.SILENT:
            return FAILED
        if self.fault is Fault.HANG:
            time.sleep(3600)
        status = self._command()
        if self.fault is Fault.LATE_HANG:
            time.sleep(3600)
        return status

    def _command(self) -> int:
        match self.argv:
            case ["--version"]:
                if texts.is_old():
                    raise Failed(_USAGE)
                self._say(_VERSION.replace("2.5.10.0", "2.4.13.0") if texts.is_before_2_5() else _VERSION)
            case ["--list", *options]:
                self._list(options)
            case ["--import", name, folder, tar, "--version", "2"]:
                self._import(name, folder, tar)
            case ["--export", name, target]:
                self._export(name, target)
            case ["--terminate", name]:
                self._terminate(name)
            case ["--manage", name, "--resize", size]:
                self._resize(name, size)
            case ["--shutdown"]:
                self._shut_down()
            case ["--unregister", name]:
                self._unregister(name)
            case ["--distribution", name, "--user", user, "--cd", folder, "--exec", *argv] if argv:
                return self._exec(name, user, folder, argv)
            case _:
                raise texts.error("E_INVALIDARG")
        return 0

    def _say(self, text: str) -> None:
        if self.fault is Fault.GARBAGE:
            os.write(1, bytes(range(256)) * 3)
        elif self.fault is Fault.FLOOD:
            while True:
                os.write(1, b"A\0" * 32768)
        else:
            texts.write(text, cut=self.fault is Fault.CUT)

    def _list(self, options: list[str]) -> None:
        if not set(options) <= {"--quiet", "--all", "--running", "--verbose"}:
            raise texts.error("E_INVALIDARG")
        found = [each for each in store.entries() if "--running" not in options or each.runs()]
        if "--all" not in options:
            found = [each for each in found if each.state == "Stopped"]
        if "--quiet" in options:
            self._say("".join(f"{each.name}\n" for each in found))
            return
        if not found:
            raise texts.none_installed()
        rows = [(each.name, "Running" if each.runs() else each.state) for each in found]
        self._say(texts.table(rows))

    def _import(self, name: str, folder: str, tar: str) -> None:
        if not _NAME.fullmatch(name) or not _FOLDER.fullmatch(folder):
            raise texts.error("E_INVALIDARG", "Service/RegisterDistro")
        entry = Entry(name, folder, state="Installing")
        with store.locked():
            if self.fault is Fault.TWIN:
                twin = Entry(name, "C:\\twin")
                shutil.rmtree(twin.home, ignore_errors=True)
                twin.root.mkdir(parents=True)
                store.put(twin)
            if store.find(name) is not None:
                raise texts.error("ERROR_ALREADY_EXISTS", "Service/RegisterDistro")
            shutil.rmtree(entry.home, ignore_errors=True)
            store.put(entry)
        if self.fault is Fault.DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        archive = 0 if tar == "-" else store.open_file(tar)
        good = guest.unpack(entry, archive)
        with store.locked():
            if not good:
                store.remove(entry)
                raise texts.error("WSL_E_NOT_A_LINUX_DISTRO", "Service/RegisterDistro")
            if store.find(name) is not None:
                store.put(replace(entry, state="Stopped"))

    def _export(self, name: str, path: str) -> None:
        target = 1 if path == "-" else store.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with store.locked():
            entry = self._found(name)
            guest.end(entry)
            store.put(replace(store.stopped(entry), state="Exporting"))
        if self.fault is not Fault.DIES:
            guest.pack(entry, target)
        else:
            os.write(target, b"\0" * 700)
        with store.locked():
            store.put(store.stopped(entry))
        if self.fault is Fault.DIES:
            os.kill(os.getpid(), signal.SIGKILL)

    def _terminate(self, name: str) -> None:
        with store.locked():
            guest.end(self._found(name))
        self._killed_here()
        self._say("The operation completed successfully.\n")

    def _resize(self, name: str, size: str) -> None:
        found = _SIZE.fullmatch(size)
        if found is None or texts.is_before_2_5():
            raise texts.error("E_INVALIDARG")
        with store.locked():
            entry = self._found(name)
            if entry.runs():
                raise texts.error("WSL_E_DISTRO_NOT_STOPPED")
            if texts.is_sparse():
                raise Failed(_SPARSE)
            store.put(replace(entry, size=int(found[1]) << _UNITS[found[2]]))
        self._killed_here()

    def _shut_down(self) -> None:
        with store.locked():
            for entry in store.entries():
                guest.end(entry)

    def _unregister(self, name: str) -> None:
        with store.locked():
            entry = self._found(name)
            guest.end(entry)
            store.remove(entry)
        self._killed_here()
        self._say("Unregistering.\nThe operation completed successfully.\n")

    def _exec(self, name: str, user: str, folder: str, argv: list[str]) -> int:
        with store.locked():
            entry = self._found(name)
            session = os.open(entry.sessions, os.O_RDWR | os.O_CREAT, 0o600)
            entry = guest.start(entry)
        if self.fault is Fault.DIES:
            with store.locked():
                guest.end(entry)
            os.kill(os.getpid(), signal.SIGKILL)
        return guest.run(entry, user, folder, argv, session)

    def _found(self, name: str) -> Entry:
        """The caller has the store's lock."""
        entry = store.find(name)
        if entry is not None and self.fault is Fault.VANISH:
            guest.end(entry)
            store.remove(entry)
            entry = None
        if entry is None:
            raise texts.error("WSL_E_DISTRO_NOT_FOUND")
        return entry

    def _killed_here(self) -> None:
        if self.fault is Fault.DIES:
            os.kill(os.getpid(), signal.SIGKILL)


def main(argv: list[str]) -> int:
    call = Call(argv, next_fault())
    try:
        return call.run()
    except Failed as failure:
        texts.write(str(failure), cut=call.fault is Fault.CUT)
        return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
