# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ports that listen on 127.0.0.1 reachable at the NIC's address, and undoes it."""

import sys

assert sys.platform == "linux"

import shutil
from collections.abc import Callable
from pathlib import Path

from callao.guest.log import warn
from callao.guest.network import rules
from callao.guest.network.commands import CommandFailed, run, run_succeeds
from callao.guest.network.nic import Nic, find_nic

CONF = Path("/proc/sys/net/ipv4/conf")
NOT_INTERFACES = ("all", "default")
"""Folders in CONF that belong to no interface; other programs, such as kube-proxy, set them."""


class Exposure:
    """``find_nic`` and ``conf`` are for tests."""

    def __init__(self, find_nic: "Callable[[str], Nic | None]" = find_nic, conf: Path = CONF) -> None:
        self._find_nic = find_nic
        self._conf = conf
        self.address = ""
        """The guest's address at which the host reaches it."""
        self._route_localnet = None  # type: Path | None
        self._by_iptables = False
        self.ports = []  # type: list[tuple[str, int]]
        """The ports that are exposed now."""

    def remove_stale_rules(self) -> None:
        """Remove the rules of an earlier run that was killed. Where there are none, this only reads
        files.
        """
        enabled = [each for each in sorted(self._conf.glob("*/route_localnet")) if _read(each) == "1"]
        interfaces = [each for each in enabled if each.parent.name not in NOT_INTERFACES]
        if not interfaces:
            return
        if run_succeeds(["nft", "list", "table", *rules.TABLE.split()]):
            self._route_localnet = interfaces[0]
        elif run_succeeds(["iptables", "-w", "-t", "nat", "-S", rules.CHAIN]):
            self._route_localnet, self._by_iptables = interfaces[0], True
        self.clear()

    def expose(self, ports: "list[tuple[str, int]]") -> str:
        """Expose exactly these ports. Returns "" or the error; the previous ports stay exposed then."""
        try:
            if ports:
                self._apply(ports)
            else:
                self._remove()
        except (CommandFailed, OSError) as error:
            warn(f"cannot expose ports of 127.0.0.1: {error}")
            return str(error)
        self.ports = ports
        return ""

    def clear(self) -> None:
        self.expose([])

    def _apply(self, ports: "list[tuple[str, int]]") -> None:
        nic = self._find_nic(self.address)
        if nic is None:
            raise CommandFailed(
                "no interface has a default route or the address that the host reaches us at"
            )
        if not shutil.which("nft") and not shutil.which("iptables-restore"):
            raise CommandFailed("neither nft nor iptables is there")
        route_localnet = self._route_localnet_file(nic)
        if self._route_localnet not in (
            None,
            route_localnet,
        ):  # the interface has been renamed, or is another one
            self._disable_route_localnet()
        self._route_localnet = (
            route_localnet  # set before the rules are, so that they are removed even if this fails
        )
        self._install_rules(nic, ports)
        route_localnet.write_text("1\n")

    def _install_rules(self, nic: Nic, ports: "list[tuple[str, int]]") -> None:
        if shutil.which("nft") and not self._by_iptables:
            try:
                run(["nft", "-f", "-"], rules.nft_ruleset(nic, ports))
            except CommandFailed:  # before Linux 5.2, family inet has no NAT
                if not shutil.which("iptables-restore"):
                    raise
            else:
                return
        self._by_iptables = True
        run(["iptables-restore", "--noflush"], rules.iptables_ruleset(nic, ports))
        for table, builtin, chain in rules.IPTABLES_JUMPS:
            jump = [builtin, "-j", chain]
            if not run_succeeds(["iptables", "-w", "-t", table, "-C", *jump]):
                run(["iptables", "-w", "-t", table, "-I", *jump])

    def _remove(self) -> None:
        if self._route_localnet is None:
            return
        self._disable_route_localnet()  # before the rules that guard it are removed
        if self._by_iptables:
            for table, builtin, chain in reversed(rules.IPTABLES_JUMPS):
                for change in (["-D", builtin, "-j", chain], ["-F", chain], ["-X", chain]):
                    run_succeeds(["iptables", "-w", "-t", table, *change])
        else:
            run(["nft", "-f", "-"], rules.NFT_CLEAR)
        self._route_localnet, self._by_iptables = None, False

    def _disable_route_localnet(self) -> None:
        if self._route_localnet is not None and self._route_localnet.exists():
            self._route_localnet.write_text("0\n")

    def _route_localnet_file(self, nic: Nic) -> Path:
        return self._conf / nic.name / "route_localnet"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
