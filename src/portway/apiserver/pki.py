"""Certificates of one fleet: a CA, the API server's, an administrator's, and the kubeconfig that names them.

EC P-256. Imported only where certificates are made: `cryptography` takes a while to load.
"""

import ipaddress
import os
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from msgspec import Struct

from portway.kubeapi.clusterdns import DOMAIN

_VALID = timedelta(days=3650)
_BACKDATED = timedelta(hours=1)
_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)
_ADDRESSES = ("127.0.0.1", "::1")


class Pair(Struct, frozen=True):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate's text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key's text, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def create(folder: Path, addresses: Sequence[str] = (), domain: str = DOMAIN) -> None:
    """Fill `folder` (made with mode 0700) with ca, server and admin `.crt` and `.key`, unless it is filled already.

    `addresses`: what the server's certificate holds besides loopback, e.g. the first service IPs.
    `domain`: the cluster's.
    """
    if (folder / "admin.key").exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca = _authority()
    pairs = {"ca": ca, "server": _server(ca, addresses, domain), "admin": _admin(ca)}
    for name, pair in pairs.items():
        _write(folder / f"{name}.crt", pair.certificate_pem)
        _write(folder / f"{name}.key", pair.key_pem)


def kubeconfig(folder: Path, server: str, name: str = "portway") -> str:
    """The text of a kubeconfig for the administrator of the fleet `name`; `server`: `https://127.0.0.1:6443`."""
    texts = {file: b64encode((folder / file).read_bytes()).decode() for file in ("ca.crt", "admin.crt", "admin.key")}
    return f"""apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {texts["ca.crt"]}
users:
- name: {name}-admin
  user:
    client-certificate-data: {texts["admin.crt"]}
    client-key-data: {texts["admin.key"]}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}-admin
current-context: {name}
"""


def _authority() -> Pair:
    key = _key()
    name = _name("portway")
    usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _server(ca: Pair, addresses: Sequence[str], domain: str) -> Pair:
    ips = dict.fromkeys([*_ADDRESSES, *addresses])
    called = (*_NAMES, f"kubernetes.default.svc.{domain}")
    names = [*map(x509.DNSName, called), *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips)]
    return _leaf(ca, _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names))


def _admin(ca: Pair) -> Pair:
    return _leaf(ca, _name("kubernetes-admin", "system:masters"), ExtendedKeyUsageOID.CLIENT_AUTH)


def _leaf(
    ca: Pair, subject: x509.Name, use: ObjectIdentifier, names: x509.SubjectAlternativeName | None = None
) -> Pair:
    key = _key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = (
        _builder(subject, ca.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(authority, critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return Pair(builder.sign(ca.key, hashes.SHA256()), key)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common: str, organization: str = "") -> x509.Name:
    fields = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in fields if value])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
    )


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
