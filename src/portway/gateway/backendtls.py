"""TLS to backends: contexts that trust whom a policy names, and the check of names that `ssl` does not make."""

import asyncio
import ssl
from collections.abc import Container
from typing import Any

from portway.gateway.pem import load
from portway.routing.peernames import has_name
from portway.routing.table import BackendTls, Certificate

_MOST = 1000
"""Contexts that are kept."""


class BackendContexts:
    """Made when they are first asked for, and kept."""

    def __init__(self) -> None:
        self._made: dict[tuple[BackendTls, Certificate | None, bool], ssl.SSLContext] = {}

    def of(self, tls: BackendTls, certificate: Certificate | None, *, http2: bool = False) -> ssl.SSLContext:
        """`certificate`: what is shown. Raises ssl.SSLError or ValueError for what cannot be used."""
        key = (tls, certificate, http2)
        if key not in self._made:
            if len(self._made) >= _MOST:
                self._made.clear()
            self._made[key] = _made(tls, certificate, http2)
        return self._made[key]

    def keep(self, wanted: Container[BackendTls]) -> None:
        """Forget all others."""
        self._made = {key: context for key, context in self._made.items() if key[0] in wanted}


def _made(tls: BackendTls, certificate: Certificate | None, http2: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.hostname:  # `appProtocol: https` alone says nothing of whom to trust
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif tls.authorities:
        context.load_verify_locations(cadata=tls.authorities)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.names:  # checked by `check`, instead of the host's name
        context.check_hostname = False
    if http2:
        context.set_alpn_protocols(["h2"])
    if certificate is not None:
        load(context, certificate)
    return context


async def connect(
    made: asyncio.Protocol, at: tuple[str, int], tls: BackendTls, context: ssl.SSLContext, name: str, *, http2: bool
) -> None:
    """`name`: asked for where `tls` has none. Raises OSError; ssl.SSLError: the backend cannot be trusted."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(
            lambda: made, *at, ssl=context, server_hostname=tls.hostname or name
        )
    except ValueError as error:
        if isinstance(error, ssl.SSLError):
            raise
        raise ssl.SSLError(1, f"no server can be asked for by this name: {error}") from error
    try:
        _check(tls, transport.get_extra_info("ssl_object"), http2)
    except ssl.SSLError:
        transport.abort()
        raise


def _check(tls: BackendTls, connection: ssl.SSLObject, http2: bool) -> None:
    """Of a connection whose handshake is over, before a byte is sent. Raises ssl.SSLError."""
    if tls.names and not has_name(tls, _alternative_names(connection)):
        wanted = ", ".join(name for _, name in tls.names)
        raise ssl.SSLCertVerificationError(1, f"its certificate is for none of {wanted}")
    if http2 and connection.selected_alpn_protocol() != "h2":
        raise ssl.SSLError(1, "it does not speak HTTP/2 (ALPN)")


def _alternative_names(connection: ssl.SSLObject) -> list[tuple[str, str]]:
    certificate: dict[str, Any] = connection.getpeercert() or {}
    return [(kind, name) for kind, name in certificate.get("subjectAltName", ())]


def why(error: ssl.SSLError) -> str:
    """In a few words."""
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.args[-1])
