# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ports that listen on 127.0.0.1 reachable at the NIC's address, and undoes it."""

import sys

assert sys.platform == "linux"

import shutil
from collections.abc import Callable
from pathlib import Path

from callao.guest.log import warn
from callao.guest.network import rules
from callao.guest.network.commands import Failed, run, succeeds
from callao.guest.network.nic import Nic, nic

CONF = Path("/proc/sys/net/ipv4/conf")
FOR_ALL = ("all", "default")
"""Folders there that are no interface's: others, as kube-proxy, set them."""


class Exposure:
    """``find`` and ``conf`` are for tests."""

    def __init__(self, find: "Callable[[str], Nic | None]" = nic, conf: Path = CONF) -> None:
        self._find = find
        self._conf = conf
        self.address = ""
        """Ours, at which the host reaches us."""
        self._localnet = None  # type: Path | None
        self._by_iptables = False
        self.ports = []  # type: list[tuple[str, int]]
        """Those in effect."""

    def recover(self) -> None:
        """Undo what a predecessor left that was killed. Where it left nothing, this only reads files."""
        left = [each for each in sorted(self._conf.glob("*/route_localnet")) if _read(each) == "1"]
        ours = [each for each in left if each.parent.name not in FOR_ALL]
        if not ours:
            return
        if succeeds(["nft", "list", "table", *rules.TABLE.split()]):
            self._localnet = ours[0]
        elif succeeds(["iptables", "-w", "-t", "nat", "-S", rules.CHAIN]):
            self._localnet, self._by_iptables = ours[0], True
        self.clear()

    def expose(self, ports: "list[tuple[str, int]]") -> str:
        """Exactly these from now on. What went wrong, or ""; then those from before stay."""
        try:
            if ports:
                self._apply(ports)
            else:
                self._undo()
        except (Failed, OSError) as error:
            warn(f"ports of 127.0.0.1 cannot be exposed: {error}")
            return str(error)
        self.ports = ports
        return ""

    def clear(self) -> None:
        self.expose([])

    def _apply(self, ports: "list[tuple[str, int]]") -> None:
        found = self._find(self.address)
        if found is None:
            raise Failed("no interface has a default route or the address that the host reaches us at")
        if not shutil.which("nft") and not shutil.which("iptables-restore"):
            raise Failed("neither nft nor iptables is there")
        switch = self._switch(found)
        if self._localnet not in (None, switch):  # the interface has been renamed, or is another one
            self._close()
        self._localnet = switch  # from here on there may be rules, whatever comes, and so something to undo
        self._install(found, ports)
        switch.write_text("1\n")

    def _install(self, found: Nic, ports: "list[tuple[str, int]]") -> None:
        if shutil.which("nft") and not self._by_iptables:
            try:
                run(["nft", "-f", "-"], rules.nft(found, ports))
            except Failed:  # before Linux 5.2, family inet has no NAT
                if not shutil.which("iptables-restore"):
                    raise
            else:
                return
        self._by_iptables = True
        run(["iptables-restore", "--noflush"], rules.iptables(found, ports))
        for table, builtin, chain in rules.JUMPS:
            jump = [builtin, "-j", chain]
            if not succeeds(["iptables", "-w", "-t", table, "-C", *jump]):
                run(["iptables", "-w", "-t", table, "-I", *jump])

    def _undo(self) -> None:
        if self._localnet is None:
            return
        self._close()  # the door before its guard leaves
        if self._by_iptables:
            for table, builtin, chain in reversed(rules.JUMPS):
                for change in (["-D", builtin, "-j", chain], ["-F", chain], ["-X", chain]):
                    succeeds(["iptables", "-w", "-t", table, *change])
        else:
            run(["nft", "-f", "-"], rules.NFT_CLEAR)
        self._localnet, self._by_iptables = None, False

    def _close(self) -> None:
        if self._localnet is not None and self._localnet.exists():
            self._localnet.write_text("0\n")

    def _switch(self, found: Nic) -> Path:
        return self._conf / found.name / "route_localnet"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
