"""Certificates of our own making."""

import datetime
import ssl
import tempfile
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from portway.routing.table import Certificate

_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_PEM = serialization.Encoding.PEM


@cache
def certificate(*hosts: str, serial: int = 1) -> Certificate:
    """Self-signed for these names; another `serial` is another certificate with another key."""
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    return _made(hosts[0], None, (names, False), serial=serial, hosts=hosts)


@cache
def authority(name: str, by: Certificate | None = None) -> Certificate:
    """One that issues others; `by`: who issued it, itself if nobody is named."""
    return _made(name, by, (x509.BasicConstraints(ca=True, path_length=None), True))


@cache
def issued(name: str, by: Certificate, usage: str = "CLIENT_AUTH", days: int = 36500) -> Certificate:
    """A leaf of `by`, whose own chain follows it when that is no root."""
    return _made(name, by, (x509.ExtendedKeyUsage([getattr(ExtendedKeyUsageOID, usage)]), False), days=days)


def _made(
    subject: str,
    by: Certificate | None,
    extension: tuple[x509.ExtensionType, bool],
    serial: int = 1,
    hosts: tuple[str, ...] = (),
    days: int = 36500,
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer = serialization.load_pem_private_key(by.key.encode(), None) if by else key
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.load_pem_x509_certificate(by.chain.encode()).subject if by else name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_START)
        .not_valid_after(_START + datetime.timedelta(days=days))
        .add_extension(*extension)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    above = by.chain if by and not _is_root(by) else ""
    return Certificate(made.public_bytes(_PEM).decode() + above, private.decode(), hosts)


def _is_root(one: Certificate) -> bool:
    read = x509.load_pem_x509_certificate(one.chain.encode())
    return read.subject == read.issuer


def showing(one: Certificate | None = None) -> ssl.SSLContext:
    """A client's context that minds no names, with a certificate to show."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if one is not None:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(one.key + one.chain)
            file.flush()
            made.load_cert_chain(file.name)
    return made
