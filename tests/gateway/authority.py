"""An authority of our own, what it signs, and a backend that speaks TLS."""

import datetime
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct, field

from portway.gateway.pem import load
from portway.routing.table import Certificate, Endpoint
from tests.gateway.backends import listening

_START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """Signs."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        made = self._builder(self._name, self._key).add_extension(basic, True).add_extension(own, False)
        self.pem = _pem(made.sign(self._key, hashes.SHA256()))

    def certificate(self, *hosts: str, uris: tuple[str, ...] = ()) -> Certificate:
        """For these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a pod")])
        names = [*map(x509.DNSName, hosts), *map(x509.UniformResourceIdentifier, uris)]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = self._builder(subject, key).add_extension(x509.SubjectAlternativeName(names), False)
        made = made.add_extension(issuer, False)
        pem, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private = key.private_bytes(pem, format_, serialization.NoEncryption()).decode()
        return Certificate(_pem(made.sign(self._key, hashes.SHA256())), private, hosts)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_START)
            .not_valid_after(_START + datetime.timedelta(days=36500))
        )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class SecureBackend(Struct):
    """What it has seen."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    """Server names that it was asked for."""
    requests: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    """Serial numbers of certificates of clients, in hexadecimal digits."""

    @property
    def endpoint(self) -> Endpoint:
        """It as an endpoint."""
        return Endpoint("127.0.0.1", self.port, "test/secure")


@asynccontextmanager
async def secure_backend(certificate: Certificate, *, clients: str = "") -> AsyncIterator[SecureBackend]:
    """Answers JSON: path, and the serial number of the client's certificate. `clients`: who has to have signed that."""
    made = SecureBackend()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, certificate)
    context.sni_callback = lambda _, name, __: made.names.append(name)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        made.requests.append(request.path)
        shown = (request.get_extra_info("peercert") or {}).get("serialNumber", "")
        made.shown.add(shown)
        body = sum([len(piece) async for piece in request.content.iter_any()])
        return web.Response(text=json.dumps({"path": request.path, "client": shown, "body": body}))

    async with listening(web.Server(handle, keepalive_timeout=3600), context=context) as made.port:
        yield made
