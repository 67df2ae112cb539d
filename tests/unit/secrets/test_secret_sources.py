# SPDX-License-Identifier: GPL-3.0-or-later
"""Where values come from, and that nothing shows them."""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

import msgspec
import pytest

from callao.config.schema import Secret
from callao.errors import CallaoError, TemplateError
from callao.hostagent.secrets import values_at_start
from callao.lifecycle import Request
from callao.secrets import LONGEST, SecretUnavailable, SecretValue, header_value, read_secret
from callao.templates import resolve

VALUE = "hunter2-äß"


def secret_in(path: Path, data: bytes = VALUE.encode()) -> Secret:
    path.write_bytes(data)
    return Secret(name="token", file=str(path))


def test_a_value_is_the_file_s_bytes_or_the_variable_s(tmp_path: Path) -> None:
    found = read_secret(secret_in(tmp_path / "token", b"\0\xff\n"), {})
    assert found is not None
    assert found.data == b"\0\xff\n"
    assert read_secret(Secret(name="a", env="A"), {"A": VALUE}) == SecretValue(VALUE.encode())
    assert read_secret(Secret(name="a"), {}) is None


def test_a_source_without_a_value_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    cases = {
        Secret(name="token", file=str(tmp_path / "none")): "No such file",
        Secret(name="token", file=str(tmp_path)): "",
        Secret(name="token", file=str(fifo)): "no regular file",
        Secret(name="token", env="NONE"): "NONE: it is not set",
        secret_in(tmp_path / "empty", b""): "is empty",
        secret_in(tmp_path / "long", bytes(LONGEST + 1)): "is too long",
    }
    for secret, reason in cases.items():
        with pytest.raises(SecretUnavailable, match=f"secrets: token: .*{reason}"):
            read_secret(secret, {})


def test_the_hypervisor_inherits_no_variable_and_what_is_gone_is_told(tmp_path: Path) -> None:
    environment = {"TOKEN": VALUE, "PATH": "/bin"}
    secrets = [
        Secret(name="token", env="TOKEN"),
        Secret(name="same", env="TOKEN"),
        Secret(name="gone", file=str(tmp_path / "gone")),
        Secret(name="later"),
    ]
    found = values_at_start(secrets, environment)
    assert environment == {"PATH": "/bin"}
    assert set(found.values) == {"token", "same"}
    assert [each.split(":")[1].strip() for each in found.problems] == ["gone", "later"]
    assert "The guest starts without it." in found.problems[0]


@pytest.mark.parametrize(
    "data", [b"a\r\nHost: evil", b"a\nb", b"a\0b", b"\xc3\xa9", b" a", b"\n", bytes(9), b"x" * 9000]
)
def test_a_value_for_headers_has_visible_characters_alone(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match="cannot stand in a header"):
        header_value("token", SecretValue(data))
    assert header_value("token", SecretValue(b"a b\r\n")) == SecretValue(b"a b")
    secret = msgspec.structs.replace(secret_in(tmp_path / "token", data), inject=True)
    found = values_at_start([secret], {})
    assert found.values == {}
    assert "cannot stand in a header" in found.problems[0]


def test_no_text_made_of_a_value_has_it() -> None:
    value = SecretValue(b"hunter2")
    request = Request(name="web", secret_values={"token": value})
    try:
        raise CallaoError(f"{value} {value!r} {request}")
    except CallaoError as error:
        shown = "".join(traceback.format_exception(error)) + f"{[value]}"
    assert "hunter2" not in shown
    for make in (hash, pickle.dumps):
        with pytest.raises(TypeError):
            make(value)  # type: ignore[operator]


def test_a_template_of_another_machine_names_no_source_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callao.templates.read import Reader

    def read(_self: Reader, found: object, _digest: object) -> tuple[str, object]:
        return "secrets: [{name: key, file: ~/.ssh/id_rsa}]", found

    monkeypatch.setattr(Reader, "read", read)
    with pytest.raises(TemplateError, match=r"secrets\[0\]: a remote template cannot name a file"):
        resolve("https://templates.example/x.yaml", tmp_path)
