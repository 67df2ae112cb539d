# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that lead a guest's DNS to the host's resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.guest.network import dns


def recording(folder: Path, name: str, status: int = 0) -> None:
    program = folder / name
    program.write_text(
        f'#!/bin/sh\necho {name} "$@" >>{folder}/calls\ncat >>{folder}/calls\nexit {status}\n'
    )
    program.chmod(0o755)


def test_both_protocols_go_to_their_ports_from_the_guest_and_its_containers() -> None:
    text = dns.nft(1053, 1054)
    assert text.startswith("table ip callao_dns {}\ndelete table ip callao_dns\ntable ip callao_dns {\n")
    assert text.count("ip daddr 192.168.5.3 udp dport 53 dnat to 192.168.5.2:1053") == 2
    assert text.count("ip daddr 192.168.5.3 tcp dport 53 dnat to 192.168.5.2:1054") == 2
    assert "hook output" in text
    assert "hook prerouting" in text


def test_nft_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path, "nft")
    recording(tmp_path, "iptables-restore")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert dns.resolve_by(1053, 1054) == ""
    assert (tmp_path / "calls").read_text() == "nft -f -\n" + dns.nft(1053, 1054)


def test_iptables_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("iptables-restore", "iptables"):
        recording(tmp_path, name)
    (tmp_path / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dns.resolve_by(1053, 1054) == ""
    calls = (tmp_path / "calls").read_text()
    assert (
        "-A CALLAO-DNS -d 192.168.5.3 -p udp --dport 53 -j DNAT --to-destination 192.168.5.2:1053" in calls
    )


def test_without_either_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dns.resolve_by(1053, 1054) == "neither nft nor iptables is there"


@pytest.mark.parametrize("ports", [(None, 53), ("53", 53), (53, [])])
def test_what_is_no_port_is_refused(ports: tuple[object, object]) -> None:
    assert dns.resolve_by(*ports) == "not two ports"


def test_a_refusal_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path, "nft", status=1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert "nft failed with status 1" in dns.resolve_by(1053, 1054)
