# SPDX-License-Identifier: GPL-3.0-or-later
"""Each table of architectures has names of lima.yaml's alone."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from callao.architectures import ARCHITECTURES, lima_name
from callao.config import Arch
from callao.drivers.qemu.architectures import ARCHITECTURES as OF_QEMU
from callao.golden.architectures import BOOT
from callao.guest.listeners.bpf import SYSCALL_NUMBERS


def test_every_architecture_of_lima_yaml_has_its_names() -> None:
    assert list(ARCHITECTURES) == [each.value for each in Arch]


@pytest.mark.parametrize("table", [OF_QEMU, BOOT, [machine for machine, _ in SYSCALL_NUMBERS]])
def test_a_table_has_no_other_names(table: Collection[str]) -> None:
    assert {str(each) for each in table} <= set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "known"),
    [("x86_64", "x86_64"), ("amd64", "x86_64"), ("arm64", "aarch64"), ("armhf", "armv7l"), ("vax", "vax")],
)
def test_another_name_is_understood(name: str, known: str) -> None:
    assert lima_name(name) == known
