# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that lead a guest's DNS to the host's resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.guest.network import dns

RESOLVER = dns.Resolver(1053, 1054, "192.168.5.3", "192.168.5.2")


def recording(folder: Path, name: str, status: int = 0) -> None:
    program = folder / name
    program.write_text(
        f'#!/bin/sh\necho {name} "$@" >>{folder}/calls\ncat >>{folder}/calls\nexit {status}\n'
    )
    program.chmod(0o755)


def test_both_protocols_go_to_their_ports_from_the_guest_and_its_containers() -> None:
    text = dns.nft_ruleset(RESOLVER)
    assert text.startswith("table ip callao_dns {}\ndelete table ip callao_dns\ntable ip callao_dns {\n")
    assert text.count("ip daddr 192.168.5.3 udp dport 53 dnat to 192.168.5.2:1053") == 2
    assert text.count("ip daddr 192.168.5.3 tcp dport 53 dnat to 192.168.5.2:1054") == 2
    assert "hook output" in text
    assert "hook prerouting" in text


def test_nft_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path, "nft")
    recording(tmp_path, "iptables-restore")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert dns.redirect(RESOLVER) == ""
    assert (tmp_path / "calls").read_text() == "nft -f -\n" + dns.nft_ruleset(RESOLVER)


def test_iptables_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("iptables-restore", "iptables"):
        recording(tmp_path, name)
    (tmp_path / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dns.redirect(RESOLVER) == ""
    calls = (tmp_path / "calls").read_text()
    assert (
        "-A CALLAO-DNS -d 192.168.5.3 -p udp --dport 53 -j DNAT --to-destination 192.168.5.2:1053" in calls
    )


def test_without_either_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dns.redirect(RESOLVER) == "neither nft nor iptables is there"


MESSAGE: dict[str, object] = {"udp": 1053, "tcp": 1054, "server": "192.168.5.3", "gateway": "192.168.5.2"}


def test_a_message_names_ports_and_addresses() -> None:
    assert dns.parse_resolver(MESSAGE) == RESOLVER


@pytest.mark.parametrize(
    "wrong",
    [
        {"udp": None},
        {"udp": "53"},
        {"tcp": []},
        {"server": None},
        {"server": "192.168.5.3 drop"},
        {"gateway": "fe80::1"},
        {"gateway": "\0"},
    ],
)
def test_what_is_no_port_or_no_address_is_refused(wrong: dict[str, object]) -> None:
    assert dns.parse_resolver({**MESSAGE, **wrong}) is None


def test_a_refusal_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path, "nft", status=1)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert "nft failed with status 1" in dns.redirect(RESOLVER)
