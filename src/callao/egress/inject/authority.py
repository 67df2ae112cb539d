# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate authority of one instance, which its guest trusts and nobody else."""

from __future__ import annotations

import datetime
import os
import ssl
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from callao.atomic import write_file

FILE = "egress-ca.pem"
"""In the instance's folder: the authority's key and certificate, mode 0600."""

_BACKDATED = datetime.timedelta(days=2)
"""The guest's clock may be behind."""

_AUTHORITY_LIFE = datetime.timedelta(days=3650)
_SERVER_LIFE = datetime.timedelta(days=397)
"""More is refused by some clients."""

_RENEWED_AFTER = datetime.timedelta(days=180)
_MOST_SERVERS = 256
HTTP_1, HTTP_2 = "http/1.1", "h2"
"""The protocols' names in TLS."""


@dataclass
class Authority:
    """:meth:`of` reads or makes it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path
    _contexts: dict[tuple[str, str], tuple[datetime.datetime, ssl.SSLContext]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Authority:
        """The one whose file is in the folder; a new one where there is none that lasts."""
        path = folder / FILE
        try:
            found = _read(path.read_bytes())
        except (OSError, ValueError):
            found = None
        if found is None or found[1].not_valid_after_utc - _now() < _SERVER_LIFE:
            found = _make(folder.name)
            pem = _private_pem(found[0]) + found[1].public_bytes(serialization.Encoding.PEM)
            write_file(path, pem, mode=0o600)
        return cls(*found, folder)

    @property
    def pem(self) -> str:
        """Its certificate, for the guest."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def private_bytes(self) -> bytes:
        """What placeholders are derived from: it lasts as long as the authority, and no guest knows it."""
        return self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def server_context(self, name: str, protocol: str = HTTP_1) -> ssl.SSLContext:
        """For the server's side of TLS, as this name. It offers this protocol alone."""
        made, context = self._contexts.get((name, protocol), (_now() - _SERVER_LIFE, None))
        if context is None or _now() - made > _RENEWED_AFTER:
            if len(self._contexts) >= _MOST_SERVERS:
                self._contexts.clear()
            context = self._make_context(name)
            context.set_alpn_protocols([protocol])
            self._contexts[name, protocol] = _now(), context
        return context

    def _make_context(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(
            _builder(name, _SERVER_LIFE)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False),
            self.key,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Python's ssl module reads keys from files only.
        descriptor, path = tempfile.mkstemp(dir=self.folder, prefix=".egress-", suffix=".pem")
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(_private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
            context.load_cert_chain(path)
        finally:
            os.unlink(path)  # noqa: PTH108
        return context


def client_context(ca_file: str, protocols: tuple[str, ...] = (HTTP_1,)) -> ssl.SSLContext:
    """For the connection to a server, whose certificate is verified by the host's authorities, or by those
    of the file alone.

    :raises OSError: when the file cannot be read, or has no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.set_alpn_protocols(list(protocols))
    return context


def _make(instance: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"Callao egress of {instance[:24]} {uuid.uuid4().hex[:12]}"
    builder = _builder(name, _AUTHORITY_LIFE)
    certificate = _sign(
        builder.issuer_name(_name(name))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False),
        key,
    )
    return key, certificate


def _read(data: bytes) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = serialization.load_pem_private_key(data, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("another kind of key")
    return key, x509.load_pem_x509_certificate(data)


def _builder(name: str, life: datetime.timedelta) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
